-- An event is appended once, at the next position, and never changed or removed.
CREATE TABLE event (
    position INTEGER PRIMARY KEY,
    directory INTEGER NOT NULL CHECK (directory IN (0, 1)),
    leaf_hash BLOB NOT NULL CHECK (length(leaf_hash) = 32),
    entry BLOB NOT NULL CHECK (length(entry) <= 65535)
) STRICT;

-- The directory's entries are few among many: intake reads them alone when it starts.
CREATE INDEX event_directory ON event (position) WHERE directory = 1;

-- Also what keeps INSERT OR REPLACE away, which fires no trigger on DELETE.
CREATE TRIGGER event_is_next BEFORE INSERT ON event
WHEN new.position IS NOT (SELECT coalesce(max(position) + 1, 0) FROM event)
BEGIN
    SELECT raise(ABORT, 'an event is appended at the next position');
END;

CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
BEGIN
    SELECT raise(ABORT, 'an event is never changed');
END;

CREATE TRIGGER event_is_never_removed BEFORE DELETE ON event
BEGIN
    SELECT raise(ABORT, 'an event is never removed');
END;
