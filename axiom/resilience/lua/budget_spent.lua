-- What a scope (KEYS[1]) has settled and reserved.
local kept = hash(KEYS[1])
return {kept.settled or '0', kept.reserved or '0'}
