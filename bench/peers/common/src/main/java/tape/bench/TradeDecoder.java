package tape.bench;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import java.io.IOException;

/**
 * Jackson's streaming parser straight on the bytes. It stops as soon as the three numbers are there, so the vendor's message
 * behind them is never looked at. The symbol is the record's key.
 */
public final class TradeDecoder {
    public static final long PRICE_UNITS = 10_000;
    private static final int PRICE_DIGITS = 4;
    private static final int ALL = 7;
    private static final JsonFactory JSON =
            JsonFactory.builder().disable(StreamReadFeature.AUTO_CLOSE_SOURCE).build();

    private TradeDecoder() {}

    public static void decode(byte[] value, Trade trade) {
        try (JsonParser parser = JSON.createParser(value)) {
            parser.nextToken();
            int found = 0;
            String name;
            while (found != ALL && (name = parser.nextFieldName()) != null) {
                JsonToken token = parser.nextToken();
                switch (name) {
                    case "price" -> {
                        trade.price = price(parser);
                        found |= 1;
                    }
                    case "volume" -> {
                        trade.volume = parser.getLongValue();
                        found |= 2;
                    }
                    case "timestamp" -> {
                        trade.time = parser.getLongValue();
                        found |= 4;
                    }
                    default -> {
                        if (token.isStructStart()) {
                            parser.skipChildren();
                        }
                    }
                }
            }
            if (found != ALL) {
                throw new IllegalArgumentException("not a trade: " + new String(value));
            }
        } catch (IOException error) {
            throw new IllegalArgumentException("not a trade: " + new String(value), error);
        }
    }

    /** The decimal's own digits, never a double. */
    private static long price(JsonParser parser) throws IOException {
        char[] text = parser.getTextCharacters();
        int end = parser.getTextOffset() + parser.getTextLength();
        long digits = 0;
        int decimals = -1;
        for (int at = parser.getTextOffset(); at < end; at++) {
            char digit = text[at];
            if (digit == '.') {
                decimals = 0;
                continue;
            }
            if (digit < '0' || digit > '9' || decimals == PRICE_DIGITS) {
                throw new IllegalArgumentException("not a price: " + parser.getText());
            }
            digits = digits * 10 + (digit - '0');
            if (decimals >= 0) {
                decimals++;
            }
        }
        for (int at = Math.max(decimals, 0); at < PRICE_DIGITS; at++) {
            digits *= 10;
        }
        return digits;
    }
}
