"""Apache's Java client in transactions of version 2 against the program. Skipped where Java or its client is not."""

from pathlib import Path

from tarn_program import Tarn, write_files

from test_kafka_peer import run_java

TRANSACTIONS = Path(__file__).parent / "kafka" / "KafkaTransactions.java"


def test_transactions_of_apaches_client(tmp_path):
    write_files(tmp_path / "w", {"tarn.yaml": "buffer: {partitions: 2}\n"})
    with Tarn(tmp_path / "w") as tarn:
        tarn.start()
        token = tarn.post("/api/v1/tokens", {"name": "java"})["token"]
        assert "all is well" in run_java(TRANSACTIONS, tarn.ready["kafka"], "admin", token, "from-java")
