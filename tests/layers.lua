--- Reads the #include lines of src: each names its layer and reaches down only, and a library
-- that belongs to one layer is included there alone.
-- usage: layers.lua [ROOT]

local root = (...) or "."

-- What each layer may include, besides itself.
local below = {
  base = "",
  packet = "base",
  capture = "base",
  tcp = "packet base",
  link = "packet capture base",
  host = "base",
  crypto = "base",
  stack = "tcp link host crypto packet capture base",
  script = "stack tcp link host crypto packet capture base",
  cli = "script stack tcp link host crypto packet capture base",
}

-- Who may include a library's headers.
local owners = {
  { "^lua", "script" },
  { "^lauxlib", "script" },
  { "^pcap", "capture link" },
  { "^psa/", "crypto" },
  { "^mbedtls/", "crypto" },
}

local function has(words, word)
  return (" " .. words .. " "):find(" " .. word .. " ", 1, true) ~= nil
end

local function judge(layer, quote, header)
  if quote == '"' then
    local other = header:match "^(%l+)/[%w_]+%.h$"
    if not other or not below[other] then
      return 'includes "' .. header .. '", which names no layer'
    end
    if other ~= layer and not has(below[layer], other) then
      return layer .. " includes " .. other
    end
  else
    for _, owner in ipairs(owners) do
      if header:find(owner[1]) and not has(owner[2], layer) then
        return layer .. " includes <" .. header .. ">, which is for " .. owner[2]
      end
    end
  end
end

local wrong, files = 0, 0
local listing = assert(io.popen("find '" .. root .. "/src' -name '*.[ch]' | sort"))
for path in listing:lines() do
  files = files + 1
  local layer = path:match "/src/(%l+)/[^/]+$"
  local line = 0
  local function complain(problem)
    wrong = wrong + 1
    print(path:sub(#root + 2) .. ":" .. line .. ": " .. problem)
  end
  if not below[layer] then
    complain "stands in no layer's folder"
  else
    for text in io.lines(path) do
      line = line + 1
      local quote, header = text:match '^%s*#%s*include%s*([<"])(.-)[>"]'
      local problem = quote and judge(layer, quote, header)
      if problem then complain(problem) end
    end
  end
end
listing:close()
assert(files > 0, "no C file under " .. root .. "/src")
print(("%d files, %d wrong includes"):format(files, wrong))
os.exit(wrong == 0)
