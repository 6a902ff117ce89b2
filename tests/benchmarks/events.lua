-- Posts the bodies of a file with wrk, over and over, with an event_id of its own in every event:
--
--   wrk -s events.lua URL -- FILE MIDDLE [RATE]
--
-- FILE has a body a line, with @ where an event_id goes. MIDDLE is what stands in the middle of every
-- UUID, new for every run. With RATE, requests start at that many per second whatever the answers
-- do, as visitors do, instead of as fast as the answers come.

local ffi = require("ffi")
ffi.cdef("typedef struct { long s, ns; } moment; int clock_gettime(int, moment *);")

local moment = ffi.new("moment")
local REALTIME, MONOTONIC = 0, 1

local function clock_ms(clock)
  ffi.C.clock_gettime(clock or REALTIME, moment)
  return tonumber(moment.s) * 1000 + tonumber(moment.ns) / 1e6
end

local threads = {}
local requests, sizes = {}, {}
local middle, rate
local count, at = 0, 0
started, late = 0, 0 -- globals, for `done` reads them from each thread

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

-- Version 7 UUIDs, as the tracker makes them: they begin with the time of the visitor's clock, and
-- visitors' clocks differ by some seconds. The last group makes them unique.
local function event_id()
  count = count + 1
  local ms = math.floor(clock_ms()) + count * 2654435761 % 4000
  local high, low = math.floor(ms / 65536), ms % 65536
  return string.format("%08x-%04x-7%s%02x%010x", high, low, middle, number, count)
end

function init(args)
  middle, rate = args[2], tonumber(args[3])
  local head = "POST " .. wrk.path .. " HTTP/1.1\r\nHost: " .. wrk.host .. "\r\n"
  head = head .. "Content-Type: application/json\r\nContent-Length: "
  for body in io.lines(args[1]) do
    local pieces, size = {}, 0
    for piece in (body .. "@"):gmatch("([^@]*)@") do
      size = size + #piece
      table.insert(pieces, piece)
      table.insert(pieces, "")
    end
    table.remove(pieces) -- an id goes between two pieces, not after the last
    size = size + 36 * (#pieces - 1) / 2
    pieces[1] = head .. size .. "\r\n\r\n" .. pieces[1]
    table.insert(requests, pieces)
  end
  if rate then
    delay = keep_to_rate
  end
end

function request()
  at = at % #requests + 1
  local pieces = requests[at]
  for i = 2, #pieces, 2 do
    pieces[i] = event_id()
  end
  return table.concat(pieces)
end

local slot

local function now_ms()
  return clock_ms(MONOTONIC)
end

-- A connection that is free takes the next slot of one timetable. Where all were busy at a slot, its
-- request is late, and the measured times flatter the server: `late` says how often.
function keep_to_rate()
  slot = (slot or now_ms()) - math.log(1 - math.random()) * 1000 / rate
  started = started + 1
  local wait = slot - now_ms()
  if wait < -1 then
    late = late + 1
  end
  return math.max(0, math.floor(wait + math.random())) -- wrk waits whole milliseconds
end

function done(summary, latency)
  local failed = summary.errors
  local starts, lates = 0, 0
  for _, thread in ipairs(threads) do
    starts, lates = starts + thread:get("started"), lates + thread:get("late")
  end
  io.write(string.format(
    '\n{"answers": %d, "refused": %d, "broken": %d, "seconds": %.6f, "p50_ms": %.3f,'
      .. ' "p99_ms": %.3f, "late_share": %.4f}\n',
    summary.requests, failed.status, failed.connect + failed.read + failed.write + failed.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    lates / math.max(1, starts)))
end
