-- For wrk: a request made once, or one that goes round all routes; and the outcome as a line of JSON at the end.
--   wrk … -s report.lua URL -- BYTES ROUTES
-- BYTES: of the body that goes up, 0 for a GET. ROUTES: how many hosts r0.test, r1.test… are asked in turn, 0 for the one in -H.

function init(args)
  local bytes, routes = tonumber(args[1]), tonumber(args[2])
  if bytes > 0 then
    wrk.method = 'POST'
    wrk.body = string.rep('x', bytes)
  end
  if routes > 0 then go_round(routes) end
end

-- A step that shares no factor with the number of routes reaches all of them, none beside the one before.
function go_round(routes)
  local ready, at = {}, 0
  for route = 0, routes - 1 do
    wrk.headers['Host'] = 'r' .. route .. '.test'
    ready[route] = wrk.format()
  end
  request = function()
    at = (at + 7919) % routes
    return ready[at]
  end
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\n{"seconds":%f,"requests":%d,"bytes":%d,"errors":%d,"p50":%f,"p99":%f}\n',
    summary.duration / 1e6, summary.requests, summary.bytes, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000
  ))
end
