#!lua name=rowfeed_cache
-- Leases, fills that are checked, generations and write-through for caches that Rowfeed invalidates.
-- docs/reference/cache-functions.md says what each one promises. CACHE is the name of the subscription.
--
--   FCALL rowfeed_get 1 KEY CACHE [LEASE_MS] [stale]      {hit, VALUE} | {fill, TOKEN, BEGAN} | {wait, BEGAN} | {stale, VALUE, BEGAN} | {bypass}
--   FCALL rowfeed_fill 1 KEY CACHE TOKEN VALUE TTL_MS     1 stored, 0 not: the key changed meanwhile
--   FCALL rowfeed_fill_seen 1 KEY CACHE BEGAN VALUE TTL_MS SNAPSHOT [REPLAYED]   the same for a fill that says what it saw
--
-- What these variables hold lives as long as the server's process and is not replicated, and that is meant: after a restart or a
-- failover a cache is closed (bypass) until Rowfeed has repeated what the server may have lost, and opened it.
local VERSION = 2
local caches = {}
local MARKS_MAX = 16

local function now_us()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- A cache that may be used now, or nil.
local function open_cache(name)
  local cache = caches[name]
  if cache and (cache.open_until == 0 or now_us() < cache.open_until) then return cache end
  return nil
end

-- The key as it is stored: behind the generation of its namespace, where it has one.
local function physical(namespace, key)
  if namespace == '' then return key end
  return namespace .. ':' .. (redis.call('GET', namespace .. ':generation') or '0') .. ':' .. key
end

-- "FLOOR;XID:LSN,XID:LSN": the transactions that changed the key lately, oldest first. LSN 0: not behind the fence yet. FLOOR: the
-- newest of those that were too many.
local function read_marks(text)
  local marks = { floor = 0, list = {} }
  if not text then return marks end
  local floor, rest = string.match(text, '^(%d+);(.*)$')
  marks.floor = tonumber(floor) or 0
  for xid, lsn in string.gmatch(rest or '', '(%d+):(%d+)') do
    marks.list[#marks.list + 1] = { xid = tonumber(xid), lsn = tonumber(lsn) }
  end
  return marks
end

local function write_marks(marks)
  local parts = {}
  for at, mark in ipairs(marks.list) do
    parts[at] = string.format('%.0f:%.0f', mark.xid, mark.lsn)
  end
  return string.format('%.0f;', marks.floor) .. table.concat(parts, ',')
end

local function add_mark(marks, xid, lsn)
  for _, mark in ipairs(marks.list) do
    if mark.xid == xid then
      if lsn > mark.lsn then mark.lsn = lsn end
      return
    end
  end
  marks.list[#marks.list + 1] = { xid = xid, lsn = lsn }
  while #marks.list > MARKS_MAX do
    local oldest = table.remove(marks.list, 1)
    if oldest.xid > marks.floor then marks.floor = oldest.xid end
  end
end

-- "0/16B3748" as a number.
local function position(text)
  local high, low = string.match(text or '', '^(%x+)/(%x+)$')
  if not high then return nil end
  return tonumber(high, 16) * 4294967296 + tonumber(low, 16)
end

-- Whether pg_current_snapshot() ("xmin:xmax:xip,xip") sees all of them.
local function sees(snapshot, marks)
  local xmin, xmax, running = string.match(snapshot, '^(%d+):(%d+):([%d,]*)$')
  xmin, xmax = tonumber(xmin), tonumber(xmax)
  if not xmin or not xmax then return false end
  if marks.floor >= xmin then return false end
  running = ',' .. running .. ','
  for _, mark in ipairs(marks.list) do
    if mark.xid >= xmax then return false end
    if mark.xid >= xmin and string.find(running, ',' .. string.format('%.0f', mark.xid) .. ',', 1, true) then return false end
  end
  return true
end

-- Whether a standby that had replayed so much has all of them: only what is behind the fence has a position.
local function replayed(at, marks)
  if not at or marks.floor > 0 then return false end
  for _, mark in ipairs(marks.list) do
    if mark.lsn == 0 or mark.lsn > at then return false end
  end
  return true
end

local function store(key, value, ttl_ms)
  if tonumber(ttl_ms) > 0 then
    redis.call('SET', key, value, 'PX', ttl_ms)
  else
    redis.call('SET', key, value)
  end
  redis.call('DEL', key .. ':lease', key .. ':stale')
end

local function get(keys, args)
  local cache = open_cache(args[1])
  if not cache then return { 'bypass' } end
  local key = physical(cache.namespace, keys[1])
  local value = redis.call('GET', key)
  if value then return { 'hit', value } end
  local began = string.format('%.0f', now_us())
  if redis.call('EXISTS', key .. ':lease') == 1 then
    local stale = args[3] == 'stale' and redis.call('GET', key .. ':stale')
    if stale then return { 'stale', stale, began } end
    return { 'wait', began }
  end
  -- Never given twice, also not by a server that lost its last writes: the counter may go back, the clock does not go with it.
  local token = began .. '-' .. string.format('%.0f', redis.call('INCR', 'rowfeed:leases'))
  redis.call('SET', key .. ':lease', token, 'PX', args[2] or '10000')
  return { 'fill', token, began }
end

local function fill(keys, args)
  local cache = open_cache(args[1])
  if not cache then return 0 end
  local key = physical(cache.namespace, keys[1])
  if redis.call('GET', key .. ':lease') ~= args[2] then return 0 end
  store(key, args[3], args[4])
  return 1
end

local function fill_seen(keys, args)
  local cache = open_cache(args[1])
  if not cache or cache.keep_ms == 0 then return 0 end
  local began = tonumber(args[2])
  -- Marks are kept so long: an older reader cannot be judged by them.
  if not began or now_us() - began > cache.keep_ms * 1000 then return 0 end
  -- Marks were forgotten then: a reader that began before cannot be judged by those that are left.
  if began <= cache.since then return 0 end
  local key = physical(cache.namespace, keys[1])
  local marks = read_marks(redis.call('GET', key .. ':marks'))
  local from_standby = args[6] and args[6] ~= ''
  local right
  if from_standby then right = replayed(position(args[6]), marks) else right = sees(args[5], marks) end
  if not right then return 0 end
  store(key, args[3], args[4])
  return 1
end

-- Rowfeed's own, below. ------------------------------------------------------------------------------------------------------------

-- KEYS changed: args are the namespace, how long marks and stale copies are kept, the position of the fence (0: not behind it yet), and for
-- each key the transactions ("7,9"). Value, lease and what stands for them go in one step.
local function invalidate(keys, args)
  local namespace, keep_ms, stale_ms, lsn = args[1], tonumber(args[2]), tonumber(args[3]), tonumber(args[4])
  for at, name in ipairs(keys) do
    local key = physical(namespace, name)
    if stale_ms > 0 and lsn == 0 then
      local value = redis.call('GET', key)
      if value then redis.call('SET', key .. ':stale', value, 'PX', args[3]) end
    end
    redis.call('UNLINK', key, key .. ':lease')
    if keep_ms > 0 and args[4 + at] ~= '' then
      local marks = read_marks(redis.call('GET', key .. ':marks'))
      for xid in string.gmatch(args[4 + at], '%d+') do
        add_mark(marks, tonumber(xid), lsn)
      end
      redis.call('SET', key .. ':marks', write_marks(marks), 'PX', args[2])
    end
  end
  return #keys
end

-- From now on only readers count that begin behind this.
local function doubt(name)
  local cache = caches[name]
  if cache then cache.since = now_us() end
end

-- Keys whose changes are not known, and what stands beside them: args are the name of the cache. In one step, so that nobody who read before
-- stores behind it.
local function forget(keys, args)
  for _, key in ipairs(keys) do redis.call('UNLINK', key) end
  doubt(args[1])
  return #keys
end

-- Generations only ever grow: by one at least, and to the position at least, so that they do not repeat after lost writes.
-- Args are the position, and the name of the cache where the generation is its namespace's: all its marks stay behind.
local function bump(keys, args)
  for _, key in ipairs(keys) do
    local next = (tonumber(redis.call('GET', key) or '0') or 0) + 1
    local lsn = tonumber(args[1])
    if lsn > next then next = lsn end
    redis.call('SET', key, string.format('%.0f', next))
  end
  if args[2] then doubt(args[2]) end
  return #keys
end

-- The watermark: fields and values of the hash of that name.
local function applied(keys, args)
  return redis.call('HSET', keys[1], unpack(args))
end

-- Streams and the watermark in one step: the first key is the watermark's, the others are streams, one for each entry. Args are the streams'
-- length, how many fields of the watermark go and which, how many texts are written to it and which, and topic, partition, offset
-- and value of each entry. What cannot be added to is found out before anything is written; an error later leaves the watermark as it was.
local function add(keys, args)
  for at = 2, #keys do
    local kind = redis.call('TYPE', keys[at]).ok
    if kind ~= 'stream' and kind ~= 'none' then return redis.error_reply('WRONGTYPE ' .. keys[at] .. ' is no stream') end
  end
  local gone, at = tonumber(args[2]), 3 + tonumber(args[2])
  local fields = tonumber(args[at])
  local from = at + fields
  for entry = 2, #keys do
    redis.call('XADD', keys[entry], 'MAXLEN', '~', args[1], '*', 'topic', args[from + 1], 'partition', args[from + 2], 'offset', args[from + 3],
      'value', args[from + 4])
    from = from + 4
  end
  for field = 3, 2 + gone do redis.call('HDEL', keys[1], args[field]) end
  for field = at + 1, at + fields, 2 do redis.call('HSET', keys[1], args[field], args[field + 1]) end
  return #keys - 1
end

-- Write-through: args are the namespace, the version (texts that sort), time to live, and the value, or nothing for a deleted row, whose
-- version stays for a while. Only a newer version is taken.
local function put(keys, args)
  local key = physical(args[1], keys[1])
  local known = redis.call('GET', key .. ':version')
  if known and known >= args[2] then return 0 end
  local ttl_ms = tonumber(args[3])
  if args[5] then store(key, args[5], args[3]) else redis.call('UNLINK', key, key .. ':lease') end
  if args[5] and ttl_ms == 0 then
    redis.call('SET', key .. ':version', args[2])
  elseif args[5] then
    redis.call('SET', key .. ':version', args[2], 'PX', ttl_ms + tonumber(args[4]))
  else
    redis.call('SET', key .. ':version', args[2], 'PX', args[4])
  end
  return 1
end

-- Opens a cache: its namespace, for how long (0: until the server's process ends), how long marks are kept.
local function open(_, args)
  local until_us = 0
  if tonumber(args[3]) > 0 then until_us = now_us() + tonumber(args[3]) * 1000 end
  -- What was forgotten before stays forgotten when the time is prolonged; of what was before this process nobody knows.
  local known = caches[args[1]]
  local since = known and known.since or now_us()
  caches[args[1]] = { namespace = args[2], open_until = until_us, keep_ms = tonumber(args[4]), since = since }
  return 1
end

local function close(_, args)
  caches[args[1]] = nil
  return 1
end

-- 1: it was opened in this process of the server.
local function is_open(_, args)
  return caches[args[1]] and 1 or 0
end

redis.register_function('rowfeed_get', get)
redis.register_function('rowfeed_fill', fill)
redis.register_function('rowfeed_fill_seen', fill_seen)
redis.register_function('rowfeed_put', put)
redis.register_function('rowfeed_add', add)
-- A server whose memory is full must still forget what is wrong.
redis.register_function { function_name = 'rowfeed_invalidate', callback = invalidate, flags = { 'allow-oom' } }
redis.register_function { function_name = 'rowfeed_bump', callback = bump, flags = { 'allow-oom' } }
redis.register_function { function_name = 'rowfeed_forget', callback = forget, flags = { 'allow-oom' } }
redis.register_function { function_name = 'rowfeed_applied', callback = applied, flags = { 'allow-oom' } }
redis.register_function { function_name = 'rowfeed_open', callback = open, flags = { 'allow-oom' } }
redis.register_function { function_name = 'rowfeed_close', callback = close, flags = { 'allow-oom' } }
redis.register_function { function_name = 'rowfeed_is_open', callback = is_open, flags = { 'no-writes' } }
redis.register_function { function_name = 'rowfeed_version', callback = function() return VERSION end, flags = { 'no-writes' } }
