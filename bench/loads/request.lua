-- GET /1k with 1 or 12 header fields. Arguments: host, number of fields, seed, "close" or "keep".
-- With 12, the cookie differs in every request: the seed and a counter, never the same twice.

local before, after, varies
local seed, count = "", 0

function init(args)
  local host = args[1]
  seed = args[3]
  varies = tonumber(args[2]) == 12
  before = "GET /1k HTTP/1.1\r\nHost: " .. host .. "\r\n"
  after = args[4] == "close" and "Connection: close\r\n\r\n" or "\r\n"
  if not varies then
    return
  end
  before = before
    .. "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    .. "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    .. "Accept-Language: en-NZ,en;q=0.7,mi;q=0.3\r\n"
    .. "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    .. "Referer: https://" .. host .. "/services/passports/renew?step=2\r\n"
    .. "Cookie: theme=dark; consent=1; session="
  after = "\r\n"
    .. "Cache-Control: no-cache\r\n"
    .. "Upgrade-Insecure-Requests: 1\r\n"
    .. "Sec-Fetch-Site: same-origin\r\n"
    .. "Sec-Fetch-Mode: navigate\r\n"
    .. "Sec-Fetch-Dest: document\r\n"
    .. "\r\n"
end

function request()
  if not varies then
    return before .. after
  end
  count = count + 1
  return before .. seed .. string.format("%012x", count) .. after
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, '
      .. '"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}\n',
    summary.requests, summary.duration, latency:percentile(50.0), latency:percentile(99.0),
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
