-- Look, and change nothing but forget old counts: {state, retry in s, failures, openings}.
return {state, text(math.max(0, ends - now)), counted().failed, breaker.openings or '0'}
