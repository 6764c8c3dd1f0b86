package tape.bench;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Arguments of the form {@code --name value}. Each is declared with its default; anything else ends the program with 64. */
public final class Arguments {
    private final Map<String, String> values = new LinkedHashMap<>();

    /** Those that every peer has. */
    public Arguments() {
        with("bootstrap", null);
        with("input", null);
        with("output", null);
        with("app-id", null);
        with("state-dir", null);
        with("window-ms", "300000");
        with("slide-ms", "60000");
        with("grace-ms", "60000");
    }

    /** Declares an argument; a null default makes it required. */
    public final Arguments with(String name, String defaultValue) {
        values.put(name, defaultValue);
        return this;
    }

    public Arguments parse(String[] arguments) {
        for (int at = 0; at < arguments.length; at += 2) {
            String name = arguments[at].startsWith("--") ? arguments[at].substring(2) : "";
            if (!values.containsKey(name)) {
                throw usage("unknown argument " + arguments[at]);
            }
            if (at + 1 == arguments.length) {
                throw usage("--" + name + " has no value");
            }
            values.put(name, arguments[at + 1]);
        }
        values.forEach((name, value) -> {
            if (value == null) {
                throw usage("--" + name + " is missing");
            }
        });
        return this;
    }

    public String text(String name) {
        return values.get(name);
    }

    public String oneOf(String name, String... allowed) {
        if (!List.of(allowed).contains(text(name))) {
            throw usage("--" + name + " " + text(name) + " is not one of " + String.join(", ", allowed));
        }
        return text(name);
    }

    public boolean flag(String name) {
        return oneOf(name, "true", "false").equals("true");
    }

    public int integer(String name) {
        try {
            int value = Integer.parseInt(text(name));
            if (value >= 0) {
                return value;
            }
        } catch (NumberFormatException notANumber) {
            // Said below, for both.
        }
        throw usage("--" + name + " " + text(name) + " is not a number from 0 to " + Integer.MAX_VALUE);
    }

    private static Error usage(String message) {
        System.err.println("error: " + message);
        System.exit(64);
        return new Error("unreachable");
    }
}
