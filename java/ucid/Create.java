package ucid;

import org.apache.spark.sql.api.java.UDF5;

/** {@code ucid_create} of UTF-8: city, latitude, longitude, time key, context; an identifier, or null. */
public final class Create implements UDF5<byte[], Double, Double, byte[], byte[], byte[]> {
    private static final long serialVersionUID = 1;

    @Override
    public byte[] call(byte[] city, Double lat, Double lon, byte[] time, byte[] context) {
        if (city == null || lat == null || lon == null || time == null || context == null) {
            return null;
        }
        Native room = Native.empty();
        int first = room.put(city);
        int second = room.put(time);
        int third = room.put(context);
        return room.made(Native.create(room.at(), first, second, third, lat, lon));
    }
}
