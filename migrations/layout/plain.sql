-- Plain PostgreSQL: both big tables are partitioned by time. Run at every migration; changes nothing the second time.
--
-- A table from before becomes the partition of everything up to the end of the current chunk, as it stands: nothing is copied.
-- Rows for times that have no partition go to the default one. Partitions are made ahead of time, here and by `tape maintain`.
-- tape.chunk: length of a partition.

CREATE OR REPLACE FUNCTION tape_partition(p_table text, p_column text, p_chunk interval) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_flat  CONSTANT text := p_table || '_before';
    v_bound timestamptz;
    v_index record;
BEGIN
    IF (SELECT c.relkind FROM pg_class c WHERE c.oid = to_regclass(p_table)) <> 'r' THEN
        RETURN false;
    END IF;
    EXECUTE format('LOCK TABLE %I', p_table);
    EXECUTE format('SELECT greatest(max(%I), now()) FROM %I', p_column, p_table) INTO v_bound;
    v_bound := date_bin(p_chunk, v_bound, 'epoch'::timestamptz) + p_chunk;
    -- The names belong to the whole from now on, those of the indexes too.
    CREATE TEMPORARY TABLE tape_indexes ON COMMIT DROP AS
    SELECT i.relname::text AS name, pg_get_constraintdef(k.oid) AS key,
        regexp_replace(pg_get_indexdef(i.oid), '^.* USING ', ' USING ') AS definition
    FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid
    LEFT JOIN pg_constraint k ON k.conindid = i.oid
    WHERE x.indrelid = to_regclass(p_table);
    FOR v_index IN SELECT * FROM tape_indexes LOOP
        EXECUTE format('ALTER INDEX %I RENAME TO %I', v_index.name, v_index.name || '_before');
    END LOOP;
    EXECUTE format('ALTER TABLE %I RENAME TO %I', p_table, v_flat);
    EXECUTE format(
        'CREATE TABLE %I (LIKE %I INCLUDING ALL EXCLUDING INDEXES) PARTITION BY RANGE (%I)', p_table, v_flat, p_column
    );
    FOR v_index IN SELECT * FROM tape_indexes LOOP
        IF v_index.key IS NOT NULL THEN
            EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I %s', p_table, v_index.name, v_index.key);
        ELSE
            EXECUTE format('CREATE INDEX %I ON %I %s', v_index.name, p_table, v_index.definition);
        END IF;
    END LOOP;
    DROP TABLE tape_indexes;
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%L)', p_table, v_flat, v_bound);
    EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', p_table || '_default', p_table);
    EXECUTE format(
        'COMMENT ON TABLE %I IS %L', p_table, obj_description(to_regclass(v_flat), 'pg_class')
    );
    RETURN true;
END
$$;

COMMENT ON FUNCTION tape_partition(text, text, interval) IS 'Turns a table into a partitioned one, once; false when it is one already.';

-- Where the partitions made so far end.
CREATE OR REPLACE FUNCTION tape_partitions_end(p_table text) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT max((regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \(''([^'']+)''\)'))[1]::timestamptz)
    FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid
    WHERE h.inhparent = to_regclass(p_table)
$$;

COMMENT ON FUNCTION tape_partitions_end(text) IS 'First instant behind the last partition of a table.';

-- Makes one partition after the other up to p_until. What the default partition holds of them is moved.
CREATE OR REPLACE FUNCTION tape_make_partitions(p_table text, p_column text, p_chunk interval, p_until timestamptz)
RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    v_from timestamptz := tape_partitions_end(p_table);
    v_name text;
    v_made integer := 0;
BEGIN
    WHILE v_from < p_until LOOP
        v_name := p_table || '_' || to_char(v_from AT TIME ZONE 'UTC', 'YYYYMMDD"t"HH24MISS');
        EXECUTE format(
            'CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS) WITH (fillfactor = 80)', v_name, p_table
        );
        EXECUTE format(
            'WITH moved AS (DELETE FROM %I WHERE %I >= %L AND %I < %L RETURNING *) INSERT INTO %I SELECT * FROM moved',
            p_table || '_default', p_column, v_from, p_column, v_from + p_chunk, v_name
        );
        EXECUTE format(
            'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', p_table, v_name, v_from, v_from + p_chunk
        );
        v_made := v_made + 1;
        v_from := v_from + p_chunk;
    END LOOP;
    RETURN v_made;
END
$$;

COMMENT ON FUNCTION tape_make_partitions(text, text, interval, timestamptz) IS
    'Makes the partitions of a table up to a time; how many it made.';

-- Drops partitions that lie before p_before as a whole, and deletes the rows before it from those that do not.
CREATE OR REPLACE FUNCTION tape_drop_before(p_table text, p_column text, p_before timestamptz) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_part record;
    v_rows bigint;
    v_sum  bigint := 0;
BEGIN
    FOR v_part IN
        SELECT c.relname::text AS name, bound.expression LIKE '%(MINVALUE)%' AS is_first,
            (regexp_match(bound.expression, 'TO \(''([^'']+)''\)'))[1]::timestamptz AS ends
        FROM pg_inherits h
        JOIN pg_class c ON c.oid = h.inhrelid
        CROSS JOIN LATERAL pg_get_expr(c.relpartbound, c.oid) AS bound (expression)
        WHERE h.inhparent = to_regclass(p_table)
        ORDER BY 3
    LOOP
        IF v_part.ends <= p_before THEN
            EXECUTE format('SELECT count(*) FROM %I', v_part.name) INTO v_rows;
            -- The partition of everything before stays, for rows that come late: it is emptied.
            IF NOT v_part.is_first THEN
                EXECUTE format('DROP TABLE %I', v_part.name);
            ELSIF v_rows > 0 THEN
                EXECUTE format('TRUNCATE %I', v_part.name);
            END IF;
        ELSE
            EXECUTE format('DELETE FROM %I WHERE %I < %L', v_part.name, p_column, p_before);
            GET DIAGNOSTICS v_rows = ROW_COUNT;
        END IF;
        v_sum := v_sum + v_rows;
    END LOOP;
    RETURN v_sum;
END
$$;

COMMENT ON FUNCTION tape_drop_before(text, text, timestamptz) IS
    'Retention: rows before a time go, whole partitions where that is possible; how many rows went.';

DO $$
DECLARE
    v_chunk CONSTANT interval := current_setting('tape.chunk')::interval;
    v_query text;
BEGIN
    -- A view reads a table by its identity, not by its name: it is made again.
    IF (SELECT c.relkind FROM pg_class c WHERE c.oid = to_regclass('stock_aggregates')) = 'r' THEN
        v_query := pg_get_viewdef('latest_prices'::regclass);
        DROP VIEW latest_prices;
    END IF;
    PERFORM tape_partition('stock_aggregates', 'window_start', v_chunk);
    PERFORM tape_partition('breakout_alerts', 'timestamp', v_chunk);
    IF v_query IS NOT NULL THEN
        EXECUTE 'CREATE VIEW latest_prices AS ' || v_query;
        COMMENT ON VIEW latest_prices IS 'Newest window of each symbol, open windows included.';
    END IF;
    PERFORM tape_make_partitions('stock_aggregates', 'window_start', v_chunk, now() + 4 * v_chunk);
    PERFORM tape_make_partitions('breakout_alerts', 'timestamp', v_chunk, now() + 4 * v_chunk);
END
$$;
