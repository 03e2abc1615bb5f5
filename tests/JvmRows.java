import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The functions of spark.jar as Spark calls them, without Spark: a row a line, its function and its values, texts in hexadecimal,
 * null as "null"; what it made, a line each. Four threads do all of the rows at a time, and must agree.
 */
public final class JvmRows {
    private static byte[] text(String word) {
        return word.equals("null") ? null : HexFormat.of().parseHex(word.substring(1));
    }

    private static Double number(String word) {
        return word.equals("null") ? null : Double.valueOf(word);
    }

    private static Integer whole(String word) {
        return word.equals("null") ? null : Integer.valueOf(word);
    }

    private static String made(String line) {
        String[] row = line.split(" ");
        byte[] made;
        try {
            made = switch (row[0]) {
                case "create" -> new ucid.Create().call(text(row[1]), number(row[2]), number(row[3]), text(row[4]), text(row[5]));
                case "cell" -> new ucid.Cell().call(number(row[1]), number(row[2]), whole(row[3]));
                case "parent" -> new ucid.Parent().call(text(row[1]), whole(row[2]));
                default -> throw new IllegalStateException(row[0]);
            };
        } catch (IllegalArgumentException error) {
            return error.getMessage();
        }
        return made == null ? "null" : new String(made, StandardCharsets.UTF_8);
    }

    public static void main(String[] arguments) throws Exception {
        List<String> rows = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII)).lines().toList();
        List<List<String>> all = IntStream.range(0, 4).parallel().mapToObj(i -> rows.stream().map(JvmRows::made).toList()).toList();
        if (all.stream().distinct().count() != 1) {
            throw new IllegalStateException("threads do not agree");
        }
        System.out.println(String.join("\n", all.get(0)));
    }
}
