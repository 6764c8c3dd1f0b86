-- How far each partition has been read into this database. A sink moves an offset in the same transaction as the
-- rows that it stands for, and only from the value that it expects: of two owners one is turned away.

CREATE TABLE IF NOT EXISTS sink_offsets (
    group_id    text        NOT NULL,
    topic       text        NOT NULL,
    partition   integer     NOT NULL CONSTRAINT sink_offsets_partition_valid CHECK (partition >= 0),
    next_offset bigint      NOT NULL CONSTRAINT sink_offsets_offset_valid CHECK (next_offset >= 0),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT sink_offsets_pkey PRIMARY KEY (group_id, topic, partition)
)
-- A handful of rows, rewritten with every batch.
WITH (fillfactor = 50);

COMMENT ON TABLE sink_offsets IS
    'How far each partition has been read into this database; the truth for the sink, Kafka''s own committed offset is only a hint.';
COMMENT ON COLUMN sink_offsets.group_id IS 'Consumer group of the sink.';
COMMENT ON COLUMN sink_offsets.topic IS 'Kafka topic.';
COMMENT ON COLUMN sink_offsets.partition IS 'Partition of the topic, from 0.';
COMMENT ON COLUMN sink_offsets.next_offset IS 'Offset of the next record to read.';
COMMENT ON COLUMN sink_offsets.updated_at IS 'When the offset was last moved.';
