package ucid;

import org.apache.spark.sql.api.java.UDF2;

/** {@code ucid_parent}: the parent of a cell's text at a resolution, or null where there is none. */
public final class Parent implements UDF2<byte[], Integer, byte[]> {
    private static final long serialVersionUID = 1;

    @Override
    public byte[] call(byte[] cell, Integer resolution) {
        if (cell == null || resolution == null) {
            return null;
        }
        Native room = Native.empty();
        return room.made(Native.parent(room.at(), room.put(cell), resolution));
    }
}
