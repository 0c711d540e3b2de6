-- Redeems promotions over HTTP, uniform over a hundred, each under an identifier of its own.
-- Tells in a last line of JSON how many answers were right.
local threads = {}
local number = 0

function setup(thread)
  thread:set("name", #threads + 1)
  table.insert(threads, thread)
end

function init(arguments)
  run = arguments[1]
  math.randomseed(name * 7919 + os.time())
  right, wrong = 0, 0
end

function request()
  number = number + 1
  local body = string.format(
    '{"customerId":501,"transactionIdentifier":"%s-%d-%d","transactionNumber":"bill-1",' ..
    '"transactionDate":1743521508000,"amount":100,"redemptions":[{"promotionId":"p%d",' ..
    '"redemptionCount":1,"discount":10,"discountAppliedOnQuantity":1,' ..
    '"promotionAppliedOnQuantity":1}]}',
    run, name, number, math.random(0, 99))
  return wrk.format("POST", "/api_gateway/v1/promotions/redemptions", {
    ["Content-Type"] = "application/json",
    ["Authorization"] = "Basic a2V5OnNlY3JldA==",
  }, body)
end

function response(status, headers, body)
  if status == 200 and body:find(run .. "-" .. name .. "-", 1, true) then
    right = right + 1
  else
    wrong = wrong + 1
  end
end

function done(summary, latency, requests)
  local right, wrong = 0, 0
  for _, thread in ipairs(threads) do
    right = right + thread:get("right")
    wrong = wrong + thread:get("wrong")
  end
  local errors = summary.errors
  print(string.format(
    '{"right":%d,"wrong":%d,"seconds":%f,"broken":%d,"p50":%f,"p95":%f,"p99":%f}',
    right, wrong, summary.duration / 1e6,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3))
end
