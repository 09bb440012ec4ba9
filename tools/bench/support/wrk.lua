-- Requests for wrk, and its numbers in one line that a program can read.
-- Arguments behind "--": batch=N sends N requests at a time (pipelining), method=, bodyfile= with type=, list= a file with one
-- target a line, asked for in turn, credentials= with one of Basic authentication a line. Fields come by wrk's own -H.
--
-- One request (or one batch) is put where wrk looks for its constant request, so no Lua runs per request; only a list needs it.

local requests = nil
local position = 0

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

function init(args)
  local options = {}
  for _, word in ipairs(args) do
    local name, value = word:match("^(%w+)=(.*)$")
    if name then options[name] = value end
  end
  if options.method then wrk.method = options.method end
  if options.type then wrk.headers["Content-Type"] = options.type end
  if options.bodyfile then wrk.body = read(options.bodyfile) end
  if options.list or options.credentials then
    requests = {}
    for target in (options.list and read(options.list) or ""):gmatch("[^\n]+") do
      requests[#requests + 1] = wrk.format(nil, target)
    end
    for token in (options.credentials and read(options.credentials) or ""):gmatch("[^\n]+") do
      wrk.headers["Authorization"] = "Basic " .. token
      requests[#requests + 1] = wrk.format()
    end
    -- Only now: where a global `request` exists, wrk calls it for each request.
    function request()
      position = position % #requests + 1
      return requests[position]
    end
    return
  end
  local batch = string.rep(wrk.format(), tonumber(options.batch or "1"))
  wrk.format = function() return batch end
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    "RESULT requests=%d us=%d bytes=%d connect=%d read=%d write=%d timeout=%d status=%d p50=%.1f p99=%.1f\n",
    summary.requests, summary.duration, summary.bytes, e.connect, e.read, e.write, e.timeout, e.status,
    latency:percentile(50), latency:percentile(99)))
end
