--- tcplua.hash: SHA-256, by Mbed TLS.
--
--     local hash = require "tcplua.hash"
--     print(hash.sha256("line\n"):hex())
--     local h = hash.new()
--     h:update("in "); h:update("pieces")
--     print(h:finish())
--
--     digest:hex()      64 lower-case hexadecimal digits; its tostring() too
--     digest:bytes()    the 32 bytes as a string; digests compare with ==
--     h:update(string)  takes more, and returns h
--     h:finish()        the digest; h is of no more use then
local core = require "tcplua.hash.core"

local hash = {}

--- The digest of a string.
hash.sha256 = core.sha256

--- For what comes in pieces.
hash.new = core.new

return hash
