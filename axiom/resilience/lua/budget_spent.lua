-- What a scope (ARGV 3) has settled and reserved.
local kept = hash(scope_key(dated(ARGV[3])))
return {kept.settled or '0', kept.reserved or '0'}
