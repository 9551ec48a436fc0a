-- Requests of a load run, read from the file TARGETS and asked in order, each connection's thread from a place of its own.
-- A line is a path (GET), or: path TAB body (POST); KEYS=1 adds an Idempotency-Key for each; BEARER an API key.
local targets, at = {}, 0
local accept = os.getenv("ACCEPT") or "application/json"
local bearer, keys, prefix = os.getenv("BEARER"), os.getenv("KEYS"), os.getenv("KEY_PREFIX") or "k"

local function build(line, n)
  local path, body = line:match("^(.-)\t(.*)$")
  local head = (body and "POST " or "GET ") .. (path or line) .. " HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: " .. accept .. "\r\n"
  if bearer then head = head .. "Authorization: Bearer " .. bearer .. "\r\n" end
  if keys then head = head .. "Idempotency-Key: " .. prefix .. "-" .. n .. "\r\n" end
  if body then
    head = head .. "Content-Type: application/json\r\nContent-Length: " .. #body .. "\r\n"
  end
  return head .. "\r\n" .. (body or "")
end

function init(args)
  local n = 0
  for line in io.lines(os.getenv("TARGETS")) do
    n = n + 1
    targets[n] = build(line, n)
  end
end

function request()
  at = at + 1
  if at > #targets then at = 1 end
  return targets[at]
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("\nJSON {\"requests\":%d,\"duration_us\":%d,\"bytes\":%d,\"status\":%d,\"connect\":%d,\"read\":%d,\"write\":%d,\"timeout\":%d,\"p50_us\":%d,\"p90_us\":%d,\"p99_us\":%d,\"p999_us\":%d,\"max_us\":%d}\n",
    summary.requests, summary.duration, summary.bytes, e.status, e.connect, e.read, e.write, e.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency:percentile(99.9), latency.max))
end
