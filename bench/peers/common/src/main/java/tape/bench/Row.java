package tape.bench;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Writes the row of a window as JSON bytes, by hand: the shape is fixed and the symbols need no escapes. */
public final class Row {
    private static final long NANOS_PER_UNIT = 1_000_000_000 / TradeDecoder.PRICE_UNITS;

    private byte[] buffer = new byte[512];
    private int length;

    public byte[] encode(byte[] symbol, long start, long end, Aggregate window) {
        length = 0;
        text("{\"symbol\":\"").bytes(symbol);
        text("\",\"window_start\":").integer(start);
        text(",\"window_end\":").integer(end);
        text(",\"avg_price\":").mean(window.prices, window.trades);
        text(",\"max_price\":").price(window.max);
        text(",\"min_price\":").price(window.min);
        text(",\"open_price\":").price(window.open);
        text(",\"close_price\":").price(window.close);
        text(",\"vwap\":").mean(window.notional, window.volume);
        text(",\"total_volume\":").integer(window.volume);
        text(",\"trade_count\":").integer(window.trades);
        text("}");
        return Arrays.copyOf(buffer, length);
    }

    private void price(long units) {
        decimal(units * NANOS_PER_UNIT);
    }

    /** sum / count to 1e-9, half to even; null when nothing was counted. */
    private void mean(long sum, long count) {
        if (count == 0) {
            text("null");
            return;
        }
        long scaled = Math.multiplyExact(sum % count, NANOS_PER_UNIT);
        long nanos = sum / count * NANOS_PER_UNIT + scaled / count;
        long rest = 2 * (scaled % count);
        decimal(rest > count || (rest == count && (nanos & 1) == 1) ? nanos + 1 : nanos);
    }

    private void decimal(long nanos) {
        integer(nanos / 1_000_000_000);
        int fraction = (int) (nanos % 1_000_000_000);
        if (fraction == 0) {
            return;
        }
        reserve(10);
        buffer[length++] = '.';
        for (int unit = 100_000_000; fraction > 0; unit /= 10) {
            buffer[length++] = (byte) ('0' + fraction / unit);
            fraction %= unit;
        }
    }

    private void integer(long value) {
        reserve(20);
        int digits = 1;
        for (long rest = value / 10; rest != 0; rest /= 10) {
            digits++;
        }
        for (int at = length + digits - 1; at >= length; at--) {
            buffer[at] = (byte) ('0' + value % 10);
            value /= 10;
        }
        length += digits;
    }

    @SuppressWarnings("deprecation") // The one method that copies ASCII without an encoder.
    private Row text(String ascii) {
        reserve(ascii.length());
        ascii.getBytes(0, ascii.length(), buffer, length);
        length += ascii.length();
        return this;
    }

    private void bytes(byte[] more) {
        reserve(more.length);
        System.arraycopy(more, 0, buffer, length, more.length);
        length += more.length;
    }

    private void reserve(int more) {
        if (length + more > buffer.length) {
            buffer = Arrays.copyOf(buffer, 2 * (length + more));
        }
    }

    public static byte[] ascii(String symbol) {
        return symbol.getBytes(StandardCharsets.ISO_8859_1);
    }
}
