package tape.bench;

/** What the peers need of a trade. Prices are in units of 1e-4. Public fields and no arguments: Flink reuses instances. */
public final class Trade {
    public String symbol;
    public long price;
    public long volume;
    public long time;
}
