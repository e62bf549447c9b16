-- What `load.rs` asks of wrk: requests sent `depth` at a time, and a summary on one line that a
-- program can read.

function init(arguments)
   local one = wrk.format("GET")
   batch = one:rep(tonumber(arguments[1]))
end

function request()
   return batch
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      "measured requests=%d micros=%d refused=%d broken=%d p50=%d p99=%d\n",
      summary.requests,
      summary.duration,
      errors.status,
      errors.connect + errors.read + errors.write + errors.timeout,
      latency:percentile(50),
      latency:percentile(99)
   ))
end
