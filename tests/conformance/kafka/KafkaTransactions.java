// Apache's Java client in transactions against a broker: `KafkaTransactions ADDRESS USER TOKEN TOPIC`. Ends with a
// message when something is not as it must be. The topic has two partitions and is empty.
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.clients.admin.AbortTransactionSpec;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;

public class KafkaTransactions {
    static Properties settings = new Properties();
    static String topic;

    static void check(boolean right, String what) {
        if (!right) throw new AssertionError(what);
    }

    static KafkaProducer<String, String> producer(String id) {
        Properties own = new Properties();
        own.putAll(settings);
        own.put("transactional.id", id);
        own.put("max.block.ms", "20000");
        var serializer = new org.apache.kafka.common.serialization.StringSerializer();
        KafkaProducer<String, String> made = new KafkaProducer<>(own, serializer, serializer);
        made.initTransactions();
        return made;
    }

    static KafkaConsumer<String, String> consumer(String group) {
        Properties own = new Properties();
        own.putAll(settings);
        own.put("group.id", group);
        own.put("isolation.level", "read_committed");
        own.put("auto.offset.reset", "earliest");
        own.put("enable.auto.commit", "false");
        var deserializer = new org.apache.kafka.common.serialization.StringDeserializer();
        return new KafkaConsumer<>(own, deserializer, deserializer);
    }

    static List<String> committed() {
        List<String> values = new ArrayList<>();
        try (var reader = consumer("reader")) {
            List<TopicPartition> parts = List.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1));
            reader.assign(parts);
            reader.seekToBeginning(parts);
            Map<TopicPartition, Long> ends = reader.endOffsets(parts);
            while (parts.stream().anyMatch(part -> reader.position(part) < ends.get(part))) {
                for (ConsumerRecord<String, String> one : reader.poll(Duration.ofSeconds(1))) values.add(one.value());
            }
        }
        values.sort(null);
        return values;
    }

    static void send(KafkaProducer<String, String> to, String value) throws Exception {
        for (int partition = 0; partition < 2; partition++) {
            to.send(new ProducerRecord<>(topic, partition, "k", value)).get();
        }
    }

    public static void main(String[] args) throws Exception {
        topic = args[3];
        settings.put("bootstrap.servers", args[0]);
        settings.put("security.protocol", "SASL_PLAINTEXT");
        settings.put("sasl.mechanism", "PLAIN");
        settings.put("sasl.jaas.config", "org.apache.kafka.common.security.plain.PlainLoginModule required username=\""
                + args[1] + "\" password=\"" + args[2] + "\";");
        try (Admin admin = Admin.create(settings)) {
            check(admin.describeFeatures().featureMetadata().get().finalizedFeatures().get("transaction.version")
                    .maxVersionLevel() == 2, "the feature transaction.version is not there");
            commitsAndAborts(admin);
            offsets();
            fences();
            hanging(admin);
        }
        System.out.println("all is well");
    }

    static void commitsAndAborts(Admin admin) throws Exception {
        try (var writer = producer("java-1")) {
            for (int number = 0; number < 6; number++) {
                writer.beginTransaction();
                send(writer, "t" + number);
                if (number % 2 == 0) writer.commitTransaction(); else writer.abortTransaction();
            }
            writer.beginTransaction();
            writer.commitTransaction();
            check(committed().equals(List.of("t0", "t0", "t2", "t2", "t4", "t4")), "committed: " + committed());
            TransactionDescription told = admin.describeTransactions(Set.of("java-1")).description("java-1").get();
            check(told.state() == TransactionState.COMPLETE_ABORT, "state " + told.state());
            check(told.producerEpoch() == 6, "each transaction has its epoch, not " + told.producerEpoch());
            var listed = admin.listTransactions(new ListTransactionsOptions().filterStates(
                    Set.of(TransactionState.COMPLETE_ABORT))).all().get();
            check(listed.stream().anyMatch(one -> one.transactionalId().equals("java-1")), "it is not listed");
        }
    }

    static void offsets() throws Exception {
        try (var reader = consumer("java-group"); var writer = producer("java-2")) {
            reader.subscribe(List.of(topic));
            TopicPartition first = new TopicPartition(topic, 0);
            while (reader.assignment().isEmpty()) reader.poll(Duration.ofMillis(200));
            writer.beginTransaction();
            writer.sendOffsetsToTransaction(Map.of(first, new OffsetAndMetadata(3, "three")), reader.groupMetadata());
            writer.abortTransaction();
            check(reader.committed(Set.of(first)).get(first) == null, "offsets of an aborted transaction count");
            writer.beginTransaction();
            writer.sendOffsetsToTransaction(Map.of(first, new OffsetAndMetadata(5, "five")), reader.groupMetadata());
            writer.commitTransaction();
            OffsetAndMetadata after = reader.committed(Set.of(first)).get(first);
            check(after.offset() == 5 && after.metadata().equals("five"), "committed " + after);
        }
    }

    static void fences() throws Exception {
        try (var first = producer("java-3")) {
            first.beginTransaction();
            send(first, "fenced");
            try (var second = producer("java-3")) {
                boolean refused = false;
                try {
                    first.commitTransaction();
                } catch (KafkaException fenced) {
                    refused = true;
                }
                check(refused, "two producers with one id");
                second.beginTransaction();
                send(second, "u");
                second.commitTransaction();
            }
        }
        check(!committed().contains("fenced") && committed().contains("u"), "committed: " + committed());
    }

    static void hanging(Admin admin) throws Exception {
        TopicPartition part = new TopicPartition(topic, 1);
        try (var writer = producer("java-4")) {
            writer.beginTransaction();
            send(writer, "hangs");
            ProducerState open = admin.describeProducers(Set.of(part)).partitionResult(part).get().activeProducers()
                    .stream().filter(one -> one.currentTransactionStartOffset().isPresent()).findFirst().get();
            admin.abortTransaction(new AbortTransactionSpec(part, open.producerId(), (short) open.producerEpoch(),
                    open.coordinatorEpoch().orElse(0))).all().get();
            boolean refused = false;
            try {
                writer.commitTransaction();
            } catch (KafkaException fenced) {
                refused = true;
            }
            check(refused, "what was aborted is committed");
        }
        check(!committed().contains("hangs"), "committed: " + committed());
    }
}
