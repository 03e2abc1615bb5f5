package ucid;

import org.apache.spark.sql.api.java.UDF3;

/** {@code ucid_cell}: the cell of a coordinate at a resolution, as its text, or null. */
public final class Cell implements UDF3<Double, Double, Integer, byte[]> {
    private static final long serialVersionUID = 1;

    @Override
    public byte[] call(Double lat, Double lon, Integer resolution) {
        if (resolution != null && (resolution < 0 || resolution > 15)) {
            throw new IllegalArgumentException("resolution is " + resolution + ", not 0..15");
        }
        if (lat == null || lon == null || resolution == null) {
            return null;
        }
        Native room = Native.empty();
        return room.made(Native.cell(room.at(), lat, lon, resolution));
    }
}
