-- GET /1k. Arguments: host, heads, seed, "close" or "keep". The heads are
--   bare      1 field: Host
--   browser   the 12 fields of a browser; the cookie differs in every request (seed and a counter: never the same twice)
--   browsers  those of many clients: 500 browsers, 31 choices of languages, and a target, a referrer and a cookie that never
--             come twice

local heads, host, last = "bare", "", "\r\n"
local seed, count = "", 0
local agents, languages = {}, {}

local FORMAT = "GET /1k%s HTTP/1.1\r\n"
  .. "Host: %s\r\n"
  .. "User-Agent: %s\r\n"
  .. "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
  .. "Accept-Language: %s\r\n"
  .. "Accept-Encoding: gzip, deflate, br, zstd\r\n"
  .. "Referer: https://%s/services/passports/renew?step=%s\r\n"
  .. "Cookie: theme=dark; consent=1; session=%s%012x\r\n"
  .. "Cache-Control: no-cache\r\n"
  .. "Upgrade-Insecure-Requests: 1\r\n"
  .. "Sec-Fetch-Site: same-origin\r\n"
  .. "Sec-Fetch-Mode: navigate\r\n"
  .. "Sec-Fetch-Dest: document\r\n"
  .. "\r\n"

function init(args)
  host, heads, seed = args[1], args[2], args[3]
  last = args[4] == "close" and "Connection: close\r\n\r\n" or "\r\n"
  for i = 0, 499 do
    agents[i] = string.format("Mozilla/5.0 (X11; Linux x86_64; rv:%d.%d) Gecko/20100101 Firefox/%d.%d",
      90 + i / 10, i % 10, 90 + i / 10, i % 10)
  end
  for i = 0, 30 do
    languages[i] = string.format("en-NZ,en;q=0.%d,mi;q=0.%d", 9 - i % 4, i % 8)
  end
end

function request()
  count = count + 1
  if heads == "bare" then
    return "GET /1k HTTP/1.1\r\nHost: " .. host .. "\r\n" .. last
  elseif heads == "browser" then
    return string.format(FORMAT, "", host, agents[0], languages[0], host, "2", seed, count)
  end
  return string.format(FORMAT, "?page=" .. count, host, agents[count % 500], languages[count % 31], host, count, seed, count)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, '
      .. '"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}\n',
    summary.requests, summary.duration, latency:percentile(50.0), latency:percentile(99.0),
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
