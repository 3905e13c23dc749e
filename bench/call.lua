-- One tools/call per request, each with its own id and amount; counts replies that are not results.
-- Arguments after "--": era ("modern" or "legacy"), tool name, marker that a real reply contains,
-- how many milliseconds each connection pauses before a call, on the average.

local threads = {}
local head, middle, tail, marker
local number = 0
wrong = 0
sample = ""

function setup(thread)
  table.insert(threads, thread)
end

function init(arguments)
  local era, tool = arguments[1], arguments[2]
  marker = arguments[3]
  local pause = tonumber(arguments[4])
  if pause > 0 then
    -- wrk asks for this function only once it is there. Uneven, as agents are.
    function delay()
      return math.floor(pause * (0.5 + math.random()) + 0.5)
    end
  end
  local meta = ""
  if era == "modern" then
    meta = ',"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",'
      .. '"io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},'
      .. '"io.modelcontextprotocol/clientCapabilities":{}}'
  end
  head = '{"jsonrpc":"2.0","id":'
  middle = ',"method":"tools/call","params":{"name":"' .. tool
    .. '","arguments":{"customer":"c-1001","note":"asked for by the customer on the phone","amount":'
  tail = "}" .. meta .. "}}"
  number = math.random(1, 1000) * 1000
end

function request()
  number = number + 1
  -- The amount stays below what the policies of every peer under test let through.
  local amount = 1 + number % 9973
  return wrk.format("POST", nil, nil, head .. number .. middle .. amount .. tail)
end

function response(status, headers, body)
  if status ~= 200 or not string.find(body, marker, 1, true) then
    wrong = wrong + 1
    if sample == "" then
      sample = status .. " " .. string.sub(body, 1, 300)
    end
  end
end

function done(summary, latency, requests)
  local all_wrong, first = 0, ""
  for _, thread in ipairs(threads) do
    all_wrong = all_wrong + thread:get("wrong")
    first = thread:get("sample")
  end
  local errors = summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  print(string.format("bench: %d %d %d %d %.0f %.0f", summary.requests, summary.duration,
    all_wrong, broken, latency:percentile(50), latency:percentile(99)))
  print("sample: " .. string.gsub(first, "%s+", " "))
end
