-- One page of the scopes of a budget: those that count something now; the others leave the index. KEYS: clock, index.
-- Then: cursor, page size, key prefix and suffix of a scope's line are made by the caller's rule, and one line.
local now = clock()
