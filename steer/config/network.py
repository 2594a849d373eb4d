"""Names and addresses on the network: hostnames, binds, networks, URLs."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator

from steer.config.base import wrong

# RFC 1123 section 2.1 and RFC 1035 section 2.3.4: letters, digits and hyphens; 63 bytes a label, 253 in all.
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LONGEST_NAME = 253
_HOSTNAME = "must be a hostname such as www.example"


def canonical_hostname(value: str) -> str:
    """The one spelling of a hostname: lower case, no dot at the end, in its ASCII form (RFC 5890, A-labels)."""
    ascii_form = _ascii(value.lower()).removesuffix(".")
    if "*" in ascii_form:
        raise wrong(_HOSTNAME, "wildcards are not known here: list each name")
    if re.fullmatch(r"[^:]+:[0-9]+", ascii_form):
        raise wrong(_HOSTNAME, "leave out the port: a listener has it")
    if len(ascii_form) > _LONGEST_NAME or not all(map(_LABEL.fullmatch, ascii_form.split("."))):
        raise wrong(_HOSTNAME, "letters, digits and hyphens, at most 63 of them between two dots")
    return ascii_form


def _ascii(name: str) -> str:
    """A-labels. Where the standard library's IDNA 2003 and today's IDNA 2008 differ, the name must be written out."""
    if name.isascii():
        return name
    try:
        encoded = name.encode("idna")
        if encoded.decode("idna") == name:
            return encoded.decode("ascii")
    except UnicodeError:
        pass
    raise wrong(_HOSTNAME, "write this name in its xn-- form")


def split_host_port(text: str) -> tuple[str, int | None]:
    """`10.0.0.1:443`, `[::1]:443`, `www.example` -> host without brackets, port or None. ValueError: neither."""
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.netloc != text or "@" in text or text.endswith(":"):
        raise ValueError(text)
    return parts.hostname, parts.port


def host_port(bind: str) -> tuple[str, int]:
    """Host and port of a valid `bind`, as `socket.bind` takes them."""
    host, port = split_host_port(bind)
    return host, port or 0


def is_loopback(bind: str) -> bool:
    """Can only this machine reach a valid `bind`?"""
    return ipaddress.ip_address(host_port(bind)[0]).is_loopback


def _bind(value: str) -> str:
    try:
        host, port = split_host_port(value)
        ipaddress.ip_address(host)
    except ValueError:
        port = None
    if port is None:
        raise wrong("must be an IP address and a port such as 0.0.0.0:443 or [::]:443")
    return value


def _host_port(value: str) -> str:
    try:
        host, port = split_host_port(value)
    except ValueError:
        host, port = "", None
    if not port or not _is_host(host):
        raise wrong("must be a host and a port such as 192.0.2.1:53 or name.example:443")
    return value


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise wrong("must be a network such as 10.0.0.0/8", _wider_network(value)) from None


def _wider_network(value: str) -> str:
    """What was meant by a network with bits set past its prefix."""
    try:
        return f"did you mean {ipaddress.ip_network(value, strict=False)}?"
    except ValueError:
        return ""


def _url_parts(value: str) -> SplitResult | None:
    try:
        parts = urlsplit(value)
        return parts if parts.hostname and parts.port != 0 else None
    except ValueError:
        return None


def _node_address(value: str) -> str:
    parts = _url_parts(value)
    if parts is None or parts.scheme not in ("http", "https", "tcp") or not _is_host(parts.hostname or ""):
        raise wrong("must be an address such as http://10.0.0.1:8080, https://name:443 or tcp://10.0.0.1:22")
    if value != f"{parts.scheme}://{parts.netloc}" or "@" in value:
        raise wrong("must be scheme, host and port only", "no user, path or query")
    if parts.scheme == "tcp" and parts.port is None:
        raise wrong("must have a port", "tcp has none of its own")
    return value


def _is_host(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return len(host) <= _LONGEST_NAME and all(map(_LABEL.fullmatch, host.split(".")))
    return True


def _http_url(value: str) -> str:
    parts = _url_parts(value)
    if parts is None or parts.scheme not in ("http", "https"):
        raise wrong("must be a URL such as https://name.example/path")
    return value


def _redis_url(value: str) -> str:
    parts = _url_parts(value)
    if parts is None or parts.scheme not in ("redis", "rediss"):
        raise wrong("must be a URL such as redis://127.0.0.1:6379/0, or rediss:// for TLS")
    return value


def _url_path(value: str) -> str:
    if not re.fullmatch(r"/[!-~]*", value):
        raise wrong("must be a path that begins with / and has no spaces")
    return value


def _answered_host(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        return canonical_hostname(value)


def _host_rule(value: str) -> str:
    return value if value in ("keep", "node") else canonical_hostname(value)


Hostname = Annotated[str, AfterValidator(canonical_hostname)]
HostOrAddress = Annotated[str, AfterValidator(_answered_host)]
HostRule = Annotated[str, AfterValidator(_host_rule)]
"""`keep`, `node` or a name."""
Bind = Annotated[str, AfterValidator(_bind)]
"""`IP:port`; port 0 lets the kernel choose."""
HostPort = Annotated[str, AfterValidator(_host_port)]
"""`name:port` or `IP:port`."""
Network = Annotated[str, AfterValidator(_network)]
"""A network in CIDR form; a bare address is a network of one."""
NodeAddress = Annotated[str, AfterValidator(_node_address)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
RedisUrl = Annotated[str, AfterValidator(_redis_url)]
UrlPath = Annotated[str, AfterValidator(_url_path)]
