--- A thousand clients at once: each connects, sends a line, waits for one, and closes.
-- usage: tcplua scripts/load.lua DST PORT [COUNT [LINE]]
-- args: COUNT is 1000 and LINE "hello" if left out; the exit status is 1 if any failed
local tcp, task = require "tcplua.tcp", require "tcplua.task"

local dst, port, count, text = ...
count = math.tointeger(tonumber(count or 1000))
if not port or not count or count < 1 then
  io.stderr:write("usage: tcplua scripts/load.lua DST PORT [COUNT [LINE]]\n")
  os.exit(2)
end
text = (text or "hello") .. "\n"

local function client()
  local begin = task.now()
  local conn <close>, err = tcp.connect { dst = dst, port = port }
  local ok = conn ~= nil
  if ok then ok, err = conn:send(text) end
  if ok then ok, err = conn:read_line() end
  if ok then ok, err = conn:close() end
  return ok and task.now() - begin, err
end

local begin, tasks = task.now(), {}
for i = 1, count do tasks[i] = task.spawn(client) end
local times, failures = {}, {}
for _, one in ipairs(tasks) do
  local seconds, err = one:join()
  if seconds then
    times[#times + 1] = seconds
  elseif err.kind == "usage" then
    error(err, 0) -- the others' fault too
  else
    failures[err.message] = (failures[err.message] or 0) + 1
  end
end
local whole = task.now() - begin

print(("%d of %d served in %.3f s, %.0f a second"):format(#times, count, whole, #times / whole))
if #times > 0 then
  table.sort(times)
  print(("milliseconds: shortest %.1f, median %.1f, longest %.1f"):format(1000 * times[1],
    1000 * times[(#times + 1) // 2], 1000 * times[#times]))
end
for message, often in pairs(failures) do print(("%d times: %s"):format(often, message)) end
os.exit(#times == count and 0 or 1)
