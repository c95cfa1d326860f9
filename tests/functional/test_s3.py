"""The lake's S3 API by the clients that people have."""

import os
import subprocess
import sys

import boto3
import botocore.config
import botocore.exceptions
import duckdb
import pytest
import requests
from deltalake import DeltaTable

from conftest import s3_client


@pytest.fixture(scope="module")
def bucket(s3):
    s3.create_bucket(Bucket="things")
    return "things"


def code_of(caught):
    return caught.value.response["Error"]["Code"]


def test_put_get_head_delete(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a/b c/ü.txt", Body=b"hello", ContentType="text/plain", Metadata={"who": "me"})
    found = s3.get_object(Bucket=bucket, Key="a/b c/ü.txt")
    assert found["Body"].read() == b"hello"
    assert found["ContentType"] == "text/plain" and found["Metadata"] == {"who": "me"}
    assert s3.get_object(Bucket=bucket, Key="a/b c/ü.txt", Range="bytes=1-3")["Body"].read() == b"ell"
    assert s3.head_object(Bucket=bucket, Key="a/b c/ü.txt")["ContentLength"] == 5
    s3.delete_object(Bucket=bucket, Key="a/b c/ü.txt")
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="a/b c/ü.txt")
    assert code_of(caught) == "NoSuchKey"


def test_listing_pages_with_a_delimiter(s3, bucket):
    for number in range(25):
        s3.put_object(Bucket=bucket, Key=f"list/{number % 5}/{number:02}", Body=b"x")
    pager = s3.get_paginator("list_objects_v2")
    pages = pager.paginate(Bucket=bucket, Prefix="list/", PaginationConfig={"PageSize": 7})
    keys = [item["Key"] for page in pages for item in page["Contents"]]
    assert len(keys) == 25 and keys == sorted(keys)
    folders = s3.list_objects_v2(Bucket=bucket, Prefix="list/", Delimiter="/")["CommonPrefixes"]
    assert [folder["Prefix"] for folder in folders] == [f"list/{number}/" for number in range(5)]


def test_multipart_copy_and_conditions(s3, bucket, tmp_path):
    content = os.urandom(20_000_000)
    (tmp_path / "big").write_bytes(content)
    s3.upload_file(str(tmp_path / "big"), bucket, "big")
    s3.download_file(bucket, "big", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == content
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "big"})
    assert s3.head_object(Bucket=bucket, Key="copy")["ContentLength"] == len(content)
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        s3.put_object(Bucket=bucket, Key="copy", Body=b"", IfNoneMatch="*")
    assert code_of(caught) == "PreconditionFailed"
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "big"}, {"Key": "copy"}]})


def test_the_lakehouse_is_not_written_by_s3(s3):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        s3.put_object(Bucket="lakehouse", Key="shop/sales/_delta_log/00000000000000000009.json", Body=b"{}")
    assert code_of(caught) == "AccessDenied"


def test_a_key_may_what_its_person_may(small, s3, bucket, reader_token):
    key = small.http("POST", "/api/v1/s3-keys", {}, token=reader_token).json
    rita = s3_client(small, key)
    listed = rita.list_objects_v2(Bucket="lakehouse", Prefix="shop/sales/")["Contents"]
    assert listed
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        rita.list_objects_v2(Bucket=bucket)
    assert code_of(caught) == "AccessDenied"
    small.http("DELETE", f"/api/v1/s3-keys/{key['access_key_id']}")
    with pytest.raises(botocore.exceptions.ClientError):
        rita.list_objects_v2(Bucket="lakehouse", Prefix="shop/sales/")


def test_without_a_signature_nothing_is_told(small, bucket):
    for path in ("/", f"/{bucket}", f"/{bucket}/a"):
        assert requests.get(small.s3 + path, timeout=10).status_code == 403


def test_a_wrong_secret_is_refused(small, admin_key):
    wrong = s3_client(small, {**admin_key, "secret_access_key": "x" * 40})
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        wrong.list_buckets()
    assert code_of(caught) == "SignatureDoesNotMatch"


def test_links_made_at_default_settings(s3, bucket):
    """boto3 signs links by version 2 unless it is told otherwise."""
    params = {"Bucket": bucket, "Key": "link ü+%"}
    put = s3.generate_presigned_url("put_object", Params=params, ExpiresIn=60)
    assert "AWSAccessKeyId=" in put
    assert requests.put(put, data=b"by link", timeout=10).status_code == 200
    get = s3.generate_presigned_url("get_object", Params={**params, "ResponseContentType": "text/html"}, ExpiresIn=60)
    answer = requests.get(get, timeout=10)
    assert answer.content == b"by link"
    assert answer.headers["Content-Type"] == "text/html"
    assert answer.headers["Content-Security-Policy"] == "sandbox"
    for changed in (get.replace("link", "knil"), get.replace("Expires=", "Expires=9"), get + "&acl", get + "&prefix=a",
                    get + "&x-amz-meta-a=b", get.replace("text%2Fhtml", "text%2Fplain")):
        assert requests.get(changed, timeout=10).status_code == 403, changed
    assert requests.delete(get, timeout=10).status_code == 403
    late = s3.generate_presigned_url("get_object", Params=params, ExpiresIn=-5)
    assert requests.get(late, timeout=10).status_code == 403
    eternal = s3.generate_presigned_url("get_object", Params=params, ExpiresIn=10**8)
    assert requests.get(eternal, timeout=10).status_code == 403
    four = boto3.client("s3", endpoint_url=s3.meta.endpoint_url, region_name="us-east-1",
                        aws_access_key_id=s3._request_signer._credentials.access_key,
                        aws_secret_access_key=s3._request_signer._credentials.secret_key,
                        config=botocore.config.Config(signature_version="s3v4"))
    get = four.generate_presigned_url("get_object", Params=params, ExpiresIn=60)
    assert "X-Amz-Signature=" in get
    assert requests.get(get, timeout=10).content == b"by link"
    s3.delete_object(**params)


def test_tags_and_attributes(s3, bucket):
    tags = [{"Key": "team", "Value": "ü & <x>"}, {"Key": "empty", "Value": ""}]
    s3.put_object(Bucket=bucket, Key="tagged", Body=b"12345", Tagging="a=b")
    assert s3.head_object(Bucket=bucket, Key="tagged")["ResponseMetadata"]["HTTPHeaders"]["x-amz-tagging-count"] == "1"
    s3.put_object_tagging(Bucket=bucket, Key="tagged", Tagging={"TagSet": tags})
    assert s3.get_object_tagging(Bucket=bucket, Key="tagged")["TagSet"] == tags
    attributes = s3.get_object_attributes(Bucket=bucket, Key="tagged", ObjectAttributes=["ObjectSize", "Checksum"])
    assert attributes["ObjectSize"] == 5
    assert attributes["Checksum"]["ChecksumType"] == "FULL_OBJECT"
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    s3.delete_bucket_tagging(Bucket=bucket)
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        s3.get_bucket_tagging(Bucket=bucket)
    assert code_of(caught) == "NoSuchTagSet"
    s3.delete_object(Bucket=bucket, Key="tagged")


def test_objects_are_their_own_versions(s3, bucket):
    for number in range(5):
        s3.put_object(Bucket=bucket, Key=f"versions/{number} ü", Body=b"x")
    pages = list(s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix="versions/",
                                                                    PaginationConfig={"PageSize": 2}))
    versions = [version for page in pages for version in page["Versions"]]
    assert [version["Key"] for version in versions] == [f"versions/{number} ü" for number in range(5)]
    assert all(version["IsLatest"] and version["VersionId"] == "null" for version in versions)
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [
        {"Key": version["Key"], "VersionId": "null"} for version in versions]})
    assert len(gone["Deleted"]) == 5


def test_a_bucket_says_how_it_is(s3, bucket):
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    assert s3.get_bucket_acl(Bucket=bucket)["Grants"][0]["Permission"] == "FULL_CONTROL"
    assert len(s3.get_bucket_acl(Bucket=bucket)["Grants"]) == 1
    assert not s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"]
    rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    for call, code in ((s3.get_bucket_cors, "NoSuchCORSConfiguration"), (s3.get_bucket_policy, "NoSuchBucketPolicy"),
                       (s3.get_bucket_lifecycle_configuration, "NoSuchLifecycleConfiguration")):
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            call(Bucket=bucket)
        assert code_of(caught) == code


def test_aws_s3(small, admin_key, bucket, tmp_path):
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": admin_key["access_key_id"], "AWS_ENDPOINT_URL": small.s3,
                   "AWS_SECRET_ACCESS_KEY": admin_key["secret_access_key"], "AWS_REGION": "us-east-1",
                   "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}

    def aws(*arguments):
        done = subprocess.run([sys.executable, "-m", "awscli", "s3", *arguments], capture_output=True, text=True,
                              env=environment, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.bin").write_bytes(os.urandom(100_000))
    aws("sync", str(folder), f"s3://{bucket}/sync/")
    assert aws("ls", f"s3://{bucket}/sync/").count(".bin") == 5
    aws("cp", "--recursive", f"s3://{bucket}/sync/", str(tmp_path / "back"))
    assert (tmp_path / "back/3.bin").read_bytes() == (folder / "3.bin").read_bytes()
    aws("rm", "--recursive", f"s3://{bucket}/sync/")
    assert aws("ls", f"s3://{bucket}/") is not None


def test_deltalake_at_default_settings(small, admin_key):
    table = DeltaTable("s3://lakehouse/shop/sales", storage_options={
        "AWS_ENDPOINT_URL": small.s3, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": admin_key["access_key_id"], "AWS_SECRET_ACCESS_KEY": admin_key["secret_access_key"]})
    assert sorted(table.to_pyarrow_table()["name"].to_pylist()) == ["ink", "pen", "pen"]


def test_duckdb_httpfs(small, s3, admin_key, bucket):
    s3.put_object(Bucket=bucket, Key="duck.csv", Body=b"a,b\n1,x\n2,y\n")
    connection = duckdb.connect()
    extension = next(small_extension(), None)
    if extension is None:
        pytest.skip("no httpfs beside the program")
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute(f"LOAD '{extension}'")
    connection.execute(f"""CREATE SECRET (TYPE s3, KEY_ID '{admin_key['access_key_id']}', USE_SSL false,
        SECRET '{admin_key['secret_access_key']}', ENDPOINT '{small.ready['s3']}', URL_STYLE 'path')""")
    assert connection.execute(f"SELECT sum(a) FROM 's3://{bucket}/duck.csv'").fetchone() == (3,)


def small_extension():
    from tarn_program import PROGRAM
    for path in (PROGRAM.parent / "extensions").rglob("httpfs*.duckdb_extension"):
        yield path
