-- One request over and over, and one line of figures at the end. wrk's own text rounds.
local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = read(os.getenv("BENCH_BODY"))
for name, value in read(os.getenv("BENCH_HEADERS")):gmatch("([^:\n]+): ([^\n]+)") do
  wrk.headers[name] = value
end

-- With secrets each request is of the next one. All are rendered once; without secrets wrk
-- renders the only one by itself and does not call Lua again.
local secrets = os.getenv("BENCH_SECRETS")
if secrets then
  local rendered = {}
  local turn = 0

  function init(args)
    for secret in read(secrets):gmatch("[^\n]+") do
      wrk.headers["authorization"] = "Bearer " .. secret
      rendered[#rendered + 1] = wrk.format()
    end
  end

  function request()
    turn = turn % #rendered + 1
    return rendered[turn]
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\nfigures {"requests": %d, "duration_us": %d, "p50_us": %.0f, "p99_us": %.0f, "status": %d, "broken": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
