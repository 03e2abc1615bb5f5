package ucid;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/**
 * The library, loaded once by each class loader, and a room for texts of each thread: put them there one behind the other, call a
 * function with their lengths, take what it made.
 */
final class Native {
    /** Bytes of the longest identifier. What is longer is no part of one, and may be cut: it stays too long. */
    private static final int LONGEST = 255;
    private static final int TEXTS = 3;
    private static final ThreadLocal<Native> OF_THREAD;

    static {
        load();
        OF_THREAD = ThreadLocal.withInitial(Native::new);
    }

    private final ByteBuffer room = ByteBuffer.allocateDirect(TEXTS * LONGEST + 1);
    private final long at = address(room);
    private int used;

    private Native() {}

    /** This thread's room, empty. */
    static Native empty() {
        Native room = OF_THREAD.get();
        room.used = 0;
        return room;
    }

    /** Its address, for the functions below. */
    long at() {
        return at;
    }

    /** Puts a text behind the others; returns its length there. */
    int put(byte[] text) {
        int length = Math.min(text.length, LONGEST);
        room.put(used, text, 0, length);
        used += length;
        return length;
    }

    /** What a function made: bytes of its length, null for 0. */
    byte[] made(int length) {
        if (length == 0) {
            return null;
        }
        byte[] made = new byte[length];
        room.get(0, made);
        return made;
    }

    static native int create(long at, int city, int time, int context, double lat, double lon);

    static native int cell(long at, double lat, double lon, int resolution);

    static native int parent(long at, int cell, int resolution);

    private static native long address(ByteBuffer room);

    /** From the jar by way of a file, which is gone once it is loaded. */
    private static void load() {
        String platform = System.getProperty("os.name").toLowerCase(java.util.Locale.ROOT) + "-" + System.getProperty("os.arch");
        try (InputStream library = Native.class.getResourceAsStream("/" + platform + "/libucid_jvm.so")) {
            if (library == null) {
                throw new UnsatisfiedLinkError("the jar of ucid has no library for " + platform + ", only that of its own build");
            }
            Path file = Files.createTempFile("libucid_jvm", ".so");
            try {
                Files.copy(library, file, StandardCopyOption.REPLACE_EXISTING);
                System.load(file.toString());
            } finally {
                Files.delete(file);
            }
        } catch (IOException error) {
            throw new UnsatisfiedLinkError("the library of ucid cannot be unpacked: " + error);
        }
    }
}
