package tape.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.LongAdder;
import sun.misc.Signal;

/**
 * What the harness reads on stdout, one line each, all with the epoch time in ms: {@code start}, {@code running},
 * {@code first} (record processed), {@code progress} and a count, {@code restored} and a count, {@code done}.
 * Static, since the frameworks serialise or construct the code that reports.
 */
public final class Protocol {
    private static final LongAdder RECORDS = new LongAdder();
    private static final AtomicBoolean FIRST = new AtomicBoolean();
    private static final AtomicBoolean RUNNING = new AtomicBoolean();
    private static final CountDownLatch TERMINATED = new CountDownLatch(1);
    /** Read without a fence for each record: seeing it late only costs one more comparison. */
    private static boolean firstSeen;

    private Protocol() {}

    /** First thing in main. */
    public static void start() {
        say("start");
        Signal.handle(new Signal("TERM"), signal -> TERMINATED.countDown());
        Signal.handle(new Signal("INT"), signal -> TERMINATED.countDown());
        Thread ticker = new Thread(Protocol::tick, "progress");
        ticker.setDaemon(true);
        ticker.start();
    }

    /** Warnings go to a file, since stdout belongs to the protocol. Must come before anything that logs. */
    public static void logTo(String directory, String file) throws IOException {
        Path log = Files.createDirectories(Path.of(directory)).resolve(file);
        System.setProperty("org.slf4j.simpleLogger.logFile", log.toString());
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "warn");
        System.setProperty("org.slf4j.simpleLogger.showDateTime", "true");
        System.setProperty("org.slf4j.simpleLogger.dateTimeFormat", "yyyy-MM-dd HH:mm:ss,SSS");
    }

    public static void running() {
        if (RUNNING.compareAndSet(false, true)) {
            say("running");
        }
    }

    public static void restored(long records) {
        say("restored", records);
    }

    /** One more record was processed. */
    public static void count() {
        RECORDS.increment();
        if (!firstSeen) {
            firstSeen = true;
            if (FIRST.compareAndSet(false, true)) {
                say("first");
            }
        }
    }

    /** Blocks until somebody asks the program to end; see {@link #terminate}. */
    public static void awaitTermination() throws InterruptedException {
        TERMINATED.await();
    }

    public static void terminate() {
        TERMINATED.countDown();
    }

    public static void done() {
        say("progress", RECORDS.sum());
        say("done");
    }

    /** One line, whatever went wrong; the log file has the rest. */
    public static void fail(Throwable error) {
        Throwable cause = error;
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        System.err.println(("error: " + error + (cause == error ? "" : ": " + cause)).replaceAll("\\s+", " "));
        Runtime.getRuntime().halt(1);
    }

    private static void tick() {
        long last = 0;
        try {
            while (true) {
                Thread.sleep(100);
                long now = RECORDS.sum();
                if (now != last) {
                    say("progress", now);
                    last = now;
                }
            }
        } catch (InterruptedException end) {
            // Nobody interrupts it but the end of the process.
        }
    }

    private static void say(String what) {
        System.out.println(what + " " + System.currentTimeMillis());
        System.out.flush();
    }

    private static void say(String what, long count) {
        System.out.println(what + " " + System.currentTimeMillis() + " " + count);
        System.out.flush();
    }
}
