// The other side of src/wire/kafka/golden_test.cc: Apache's own client reads what we wrote, and writes what we read.
//
//   messages FILE       lines "ProduceRequest 9 <hex>": each is decoded, must be used up, and encoded again to the same
//   read-batches FILE   lines "<hex> <records as text>": each batch is checked, and its records compared
//   write-batches FILE  such lines, made here
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.Readable;
import org.apache.kafka.common.record.ControlRecordType;
import org.apache.kafka.common.record.EndTransactionMarker;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.Record;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.record.SimpleRecord;
import org.apache.kafka.common.record.TimestampType;

public class KafkaPeer {
    static final HexFormat HEX = HexFormat.of();

    public static void main(String[] arguments) throws Exception {
        Path file = Path.of(arguments[1]);
        switch (arguments[0]) {
            case "messages" -> messages(file);
            case "read-batches" -> readBatches(file);
            default -> writeBatches(file);
        }
    }

    static void messages(Path file) throws Exception {
        int same = 0;
        for (String line : Files.readAllLines(file)) {
            String[] parts = line.split(" ", 3);
            short version = Short.parseShort(parts[1]);
            ByteBuffer bytes = ByteBuffer.wrap(HEX.parseHex(parts[2]));
            boolean inside = parts[0].startsWith("ConsumerProtocol");
            Class<?> type = Class.forName("org.apache.kafka.common.message." + parts[0] + (inside ? "" : "Data"));
            try {
                Message message = (Message) type.getConstructor(Readable.class, short.class)
                    .newInstance(new ByteBufferAccessor(bytes), version);
                ObjectSerializationCache cache = new ObjectSerializationCache();
                ByteBuffer again = ByteBuffer.allocate(message.size(cache, version));
                message.write(new ByteBufferAccessor(again), cache, version);
                if (bytes.hasRemaining() || again.hasRemaining() || !HEX.formatHex(again.array()).equals(parts[2])) {
                    System.out.println("differs: " + line + "\n   there: " + HEX.formatHex(again.array()));
                } else {
                    ++same;
                }
            } catch (ReflectiveOperationException | RuntimeException error) {
                System.out.println("failed: " + line + "\n  " + error + " " + error.getCause());
            }
        }
        System.out.println(same + " same");
    }

    static String hex(ByteBuffer bytes) {
        if (bytes == null) return "null";
        byte[] copy = new byte[bytes.remaining()];
        bytes.duplicate().get(copy);
        return HEX.formatHex(copy);
    }

    static String text(RecordBatch batch) {
        StringBuilder text = new StringBuilder();
        for (Record record : batch) {
            text.append(record.offset()).append(',').append(record.timestamp()).append(',').append(hex(record.key()))
                .append(',').append(hex(record.value()));
            for (Header header : record.headers()) {
                text.append(',').append(header.key()).append('=')
                    .append(header.value() == null ? "null" : HEX.formatHex(header.value()));
            }
            text.append(';');
        }
        return text.toString();
    }

    static void readBatches(Path file) throws Exception {
        int same = 0;
        for (String line : Files.readAllLines(file)) {
            String[] parts = line.split(" ", 2);
            RecordBatch batch =
                MemoryRecords.readableRecords(ByteBuffer.wrap(HEX.parseHex(parts[0]))).batches().iterator().next();
            batch.ensureValid();
            if (text(batch).equals(parts[1])) {
                ++same;
            } else {
                System.out.println("differs: " + line + "\n   there: " + text(batch));
            }
        }
        System.out.println(same + " same");
    }

    static void writeBatches(Path file) throws Exception {
        SimpleRecord[] records = {
            new SimpleRecord(1700000000000L, "k0".getBytes(), "departed departed departed departed".getBytes(),
                new Header[] {new RecordHeader("trace", "abc".getBytes()), new RecordHeader("none", null)}),
            new SimpleRecord(1700000000007L, null, new byte[100_000]),
            new SimpleRecord(1699999999990L, new byte[0], null)};
        List<MemoryRecords> batches = new ArrayList<>();
        for (Compression compression : new Compression[] {Compression.NONE, Compression.gzip().build(),
                Compression.snappy().build(), Compression.lz4().build(), Compression.zstd().build()}) {
            batches.add(MemoryRecords.withRecords(RecordBatch.MAGIC_VALUE_V2, 40L, compression,
                TimestampType.CREATE_TIME, 77L, (short) 3, 12, 5, true, records));
            batches.add(MemoryRecords.withRecords(RecordBatch.MAGIC_VALUE_V2, 0L, compression,
                TimestampType.CREATE_TIME, records[0]));
        }
        for (ControlRecordType type : new ControlRecordType[] {ControlRecordType.COMMIT, ControlRecordType.ABORT}) {
            batches.add(MemoryRecords.withEndTransactionMarker(9L, 1700000000000L, 5, 77L, (short) 3,
                new EndTransactionMarker(type, 21)));
        }
        try (PrintWriter out = new PrintWriter(file.toFile())) {
            for (MemoryRecords one : batches) {
                out.println(hex(one.buffer()) + " " + text(one.batches().iterator().next()));
            }
        }
    }
}
