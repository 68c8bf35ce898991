//! What Redis does in one step. The time is that of its clock, in microseconds.

use std::sync::LazyLock;

use redis::Script;

/// `KEYS`: the lock, the services. `ARGV`: service, run, owner, lease, token of the owner to take it
/// from, floor. Returns the new token and the previous run; nothing if the lock has another owner.
pub(crate) static ACQUIRE: LazyLock<Script> = LazyLock::new(|| {
    script(
        "local token = tonumber(field('token') or '0')
         local run, ends = field('run') or '', tonumber(field('ends') or '0')
         local is_own = run == ARGV[2]
         local is_free = run == '' or ends <= now
         if ARGV[5] ~= '' then is_free = run ~= '' and token == tonumber(ARGV[5]) end
         if not is_own and not is_free then return {} end
         if not is_own then token = math.max(token, tonumber(ARGV[6])) + 1 end
         redis.call('HSET', KEYS[1], 'token', token, 'run', ARGV[2], 'owner', ARGV[3],
           'since', stamp(now), 'ends', stamp(now + tonumber(ARGV[4])))
         redis.call('HDEL', KEYS[1], 'digest', 'activity')
         redis.call('SADD', KEYS[2], ARGV[1])
         return {tostring(token), run}",
    )
});

/// `KEYS`: the lock. `ARGV`: run, token, lease, activity. Returns whether the lock is this owner's.
pub(crate) static RENEW: LazyLock<Script> = LazyLock::new(|| {
    script(
        "if not owned(ARGV[1], ARGV[2]) then return 0 end
         redis.call('HSET', KEYS[1], 'ends', stamp(now + tonumber(ARGV[3])))
         if ARGV[4] ~= '' then redis.call('HSET', KEYS[1], 'activity', ARGV[4]) end
         return 1",
    )
});

/// `KEYS`: the lock. `ARGV`: run, token, digest.
pub(crate) static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    script(
        "if not owned(ARGV[1], ARGV[2]) then return 0 end
         redis.call('HDEL', KEYS[1], 'run', 'ends', 'activity', 'digest')
         if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'digest', ARGV[3]) end
         return 1",
    )
});

/// `KEYS`: the lock, the entries, the latest entries, the counter, the idempotency keys. `ARGV`: run,
/// token, and for each entry its key, its change and its text. Returns the position of the first one;
/// nothing for another owner. An entry that is there already is not appended again.
pub(crate) static APPEND: LazyLock<Script> = LazyLock::new(|| {
    script(
        "if not owned(ARGV[1], ARGV[2]) then return nil end
         local first
         for at = 3, #ARGV, 3 do
           local known = redis.call('HGET', KEYS[5], ARGV[at])
           local position = known and tonumber(known) or redis.call('INCR', KEYS[4])
           first = first or position
           if not known then
             local entry = position .. ' ' .. stamp(now) .. ' ' .. ARGV[at + 2]
             redis.call('HSET', KEYS[5], ARGV[at], position)
             redis.call('RPUSH', KEYS[2], entry)
             if ARGV[at + 1] ~= '' then redis.call('HSET', KEYS[3], ARGV[at + 1], entry) end
           end
         end
         return first",
    )
});

/// `KEYS`: the lock, the latest entries, the lanes. `ARGV`: digest. Returns the time, the lock, the
/// number of lanes, and the latest entries unless the digest is that of the last release.
pub(crate) static SNAPSHOT: LazyLock<Script> = LazyLock::new(|| {
    script(
        "local lock = redis.call('HGETALL', KEYS[1])
         local latest = {}
         if ARGV[1] == '' or field('digest') ~= ARGV[1] then latest = redis.call('HVALS', KEYS[2]) end
         return {stamp(now), lock, redis.call('SCARD', KEYS[3]), latest}",
    )
});

/// `KEYS`: the locks of lanes. Returns the time and each of them.
pub(crate) static LANES: LazyLock<Script> = LazyLock::new(|| {
    script(
        "local locks = {}
         for at, key in ipairs(KEYS) do locks[at] = redis.call('HGETALL', key) end
         return {stamp(now), locks}",
    )
});

fn script(text: &str) -> Script {
    Script::new(&format!(
        "local time = redis.call('TIME')
         local now = time[1] * 1000000 + time[2]
         local function stamp(time) return string.format('%.0f', time) end
         local function field(name) return redis.call('HGET', KEYS[1], name) end
         local function owned(run, token) return field('run') == run and field('token') == token end
         {text}"
    ))
}
