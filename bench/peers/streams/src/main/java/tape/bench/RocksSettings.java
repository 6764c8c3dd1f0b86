package tape.bench;

import java.util.Map;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.Cache;
import org.rocksdb.Filter;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;
import org.rocksdb.WriteBufferManager;

/**
 * One block cache and one budget of memtables for all stores: each partition has a RocksDB for every few minutes of windows, and
 * each would otherwise take its own 50 MB and three memtables of 16 MB.
 */
public final class RocksSettings implements RocksDBConfigSetter {
    private static final long CACHE = 128L << 20;
    private static final long MEMTABLES = 64L << 20;
    private static final Cache BLOCKS;
    private static final WriteBufferManager BUDGET;
    private static final Filter BLOOM;

    static {
        org.rocksdb.RocksDB.loadLibrary();
        BLOCKS = new LRUCache(CACHE);
        BUDGET = new WriteBufferManager(MEMTABLES, BLOCKS);
        BLOOM = new BloomFilter(10);
    }

    @Override
    public void setConfig(String store, Options options, Map<String, Object> settings) {
        BlockBasedTableConfig table = (BlockBasedTableConfig) options.tableFormatConfig();
        table.setBlockCache(BLOCKS);
        table.setFilterPolicy(BLOOM);
        table.setBlockSize(16 << 10);
        table.setCacheIndexAndFilterBlocks(true);
        table.setPinTopLevelIndexAndFilter(true);
        options.setTableFormatConfig(table);
        options.setWriteBufferManager(BUDGET);
        options.setWriteBufferSize(16L << 20);
        options.setMaxWriteBufferNumber(3);
    }

    @Override
    public void close(String store, Options options) {
        // The cache, the budget and the filter belong to all stores and live as long as the process.
    }
}
