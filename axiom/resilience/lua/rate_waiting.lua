-- Who waits now, how often somebody was told to, and for how long all together.
return {
  redis.call('ZCARD', QUEUE),
  redis.call('HGET', STATE, 'waits') or '0',
  redis.call('HGET', STATE, 'waited') or '0',
}
