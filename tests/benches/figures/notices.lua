-- Notices as Provet sends them, about 1 KB each: every tenth is the first of a tenant, the others say that a department
-- of an earlier tenant was enabled. Arguments: a number that no other run has, so that its tenants are new ones.

local threads = 0

function setup(thread)
  thread:set("id", threads)
  threads = threads + 1
end

-- How many tenants register between two notices of the same one.
local STRIDE = 50

function init(args)
  sent = 0
  base = 1000000 + tonumber(args[1]) * 100000000 + id * 10000000
  head = "POST " .. wrk.path .. " HTTP/1.1\r\nHost: " .. wrk.headers["Host"]
    .. "\r\nContent-Type: application/json\r\nContent-Length: "
end

local middle = '","algorithm":"RS256","authorization_grant_type":"client_credentials","client_type":"confidential",'
  .. '"redirect_uris":"https://integrations.example.com/provet/callback https://integrations.example.com/provet/'
  .. 'oauth/return https://staging.integrations.example.com/provet/callback","token_url":"https://provetcloud.com/'
local client = "c3VjaEFSZWFsaXN0aWNDbGllbnRJZGVudGlmaWVy"
local secret = "wkq7ZdX0m3rT9yBvL5sHcE2uNf8pJgA4iKoRxYtVlWbSnDhQz6MeCj1GaUFOPI"
  .. "r5Ty8Uo2Lp9Kd3Ws6Qa1Zx4Cv7Bn0Mj5Hg8Fe2Rt"
local departments = {}
for last = 1, 9 do
  local ids = {}
  for d = 1, last do ids[d] = tostring(1000 + d * 7) end
  departments[last] = ',"departments":[' .. table.concat(ids, ",") .. '],"added_department":' .. ids[last]
end

function request()
  local turn = sent % 10
  local tenant = string.format("%d", base + (sent - turn) / 10 - turn * STRIDE)
  sent = sent + 1
  local body = '{"provet_id":' .. tenant .. ',"client_id":"' .. client .. tenant
    .. '","client_secret":"' .. secret .. tenant .. middle .. tenant
    .. '/oauth2/token/","authorize_url":"https://provetcloud.com/' .. tenant
    .. '/oauth2/authorize/","openid_autodiscovery_url":"https://provetcloud.com/' .. tenant
    .. '/.well-known/openid-configuration"' .. (departments[turn] or "") .. "}"
  return head .. #body .. "\r\n\r\n" .. body
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format('{"requests":%d,"seconds":%.6f,"failed":%d,"median":%.9f,"slow":%.9f}',
    summary.requests, summary.duration / 1e6,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50) / 1e6, latency:percentile(99) / 1e6))
end
