"""Every operation on HTTP and S3 × {no credential, wrong role, right role, malformed, oversized}.

The rows come from the program itself (GET /api/v1/operations), so an operation that somebody adds is tested from then
on; one on S3 must be given a request here first.
"""

import hashlib
import re
import socket

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import openapi_spec_validator
import pytest
import requests

PARAMETERS = {"bucket": "nothing-here", "index": "0", "version": "1", "id": "1"}
# What an administrator's call with a proper body looks like; elsewhere {} will do.
BODIES = {"POST /api/v1/sql": {"sql": "SELECT 1"}, "POST /api/v1/runs": {"target": "shop.by_name"},
          "POST /api/v1/users": {"name": "mat"}, "POST /api/v1/tokens": {"name": "mat"},
          "PUT /api/v1/roles/{name}": {"description": "of the matrix"},
          "PUT /api/v1/secrets/{name}": {"value": "x"},
          "POST /api/v1/policy/explain": {"action": "table:Read", "resource": "shop.sales"}}
# What everybody who is logged in may do (docs/security.md, "Built in").
BUILT_IN = ("sql:Query",)
# These decide for each thing by itself what may be seen: nobody is refused, but a stranger sees nothing.
HIDES = ("/api/v1/lake/{bucket}", "/api/v1/runs/{id}", "/api/v1/catalog/{schema}", "/api/v1/why",
         "/api/v1/users/{name}")

S3_REQUESTS = {
    "ListBuckets": ("GET", "/"),
    "CreateBucket": ("PUT", "/made-by-matrix"),
    "HeadBucket": ("HEAD", "/matrix"),
    "DeleteBucket": ("DELETE", "/matrix"),
    "GetBucketLocation": ("GET", "/matrix?location="),
    "GetBucketVersioning": ("GET", "/matrix?versioning="),
    "ListObjects": ("GET", "/matrix"),
    "ListObjectsV2": ("GET", "/matrix?list-type=2"),
    "ListMultipartUploads": ("GET", "/matrix?uploads="),
    "DeleteObjects": ("POST", "/matrix?delete="),
    "GetObject": ("GET", "/matrix/key"),
    "HeadObject": ("HEAD", "/matrix/key"),
    "PutObject": ("PUT", "/matrix/key2"),
    "CopyObject": ("PUT", "/matrix/key3"),
    "DeleteObject": ("DELETE", "/matrix/key4"),
    "CreateMultipartUpload": ("POST", "/matrix/key5?uploads="),
    "UploadPart": ("PUT", "/matrix/key5?partNumber=1&uploadId=none"),
    "UploadPartCopy": ("PUT", "/matrix/key5?partNumber=1&uploadId=none"),
    "CompleteMultipartUpload": ("POST", "/matrix/key5?uploadId=none"),
    "AbortMultipartUpload": ("DELETE", "/matrix/key5?uploadId=none"),
    "ListParts": ("GET", "/matrix/key5?uploadId=none"),
    "ListObjectVersions": ("GET", "/matrix?versions="),
    "PutBucketTagging": ("PUT", "/matrix?tagging="),
    "GetBucketTagging": ("GET", "/matrix?tagging="),
    "DeleteBucketTagging": ("DELETE", "/matrix?tagging="),
    "GetObjectAcl": ("GET", "/matrix/key?acl="),
    "GetObjectAttributes": ("GET", "/matrix/key?attributes="),
    "PutObjectTagging": ("PUT", "/matrix/key?tagging="),
    "GetObjectTagging": ("GET", "/matrix/key?tagging="),
    "DeleteObjectTagging": ("DELETE", "/matrix/key?tagging="),
    **{name: ("GET", f"/matrix?{query}=") for name, query in {
        "GetBucketAcl": "acl", "GetBucketCors": "cors", "GetBucketEncryption": "encryption",
        "GetBucketLifecycleConfiguration": "lifecycle", "GetBucketLogging": "logging",
        "GetBucketNotificationConfiguration": "notification", "GetObjectLockConfiguration": "object-lock",
        "GetBucketOwnershipControls": "ownershipControls", "GetBucketPolicy": "policy",
        "GetBucketPolicyStatus": "policyStatus", "GetPublicAccessBlock": "publicAccessBlock",
        "GetBucketReplication": "replication", "GetBucketRequestPayment": "requestPayment",
        "GetBucketWebsite": "website"}.items()},
}
TAGGING = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
S3_BODIES = {"DeleteObjects": b"<Delete><Object><Key>none</Key></Object></Delete>",
             "PutBucketTagging": TAGGING, "PutObjectTagging": TAGGING}


@pytest.fixture(scope="module")
def rows(small):
    return small.get("/api/v1/operations")["operations"]


@pytest.fixture(scope="module")
def stranger(small):
    """A person without any role."""
    small.post("/api/v1/users", {"name": "stranger"})
    return small.post("/api/v1/tokens", {"user": "stranger", "name": "matrix"})["token"]


class HttpRow:
    def __init__(self, row):
        self.name, self.action, self.limit = row["name"], row["action"], row["body_bytes_max"]
        self.method, pattern = self.name.split(" ", 1)
        self.pattern = pattern
        self.path = re.sub(r"\{(\w+)(\.\.\.)?\}", lambda found: PARAMETERS.get(found[1], "nosuchthing"), pattern)
        self.writes = self.method in ("POST", "PUT")
        self.streams = pattern in ("/api/v1/events", "/api/v1/topics/{name}/tail")

    def call(self, tarn, token, body=None, query=""):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if body is None and self.writes:
            body = BODIES.get(self.name, {})
        options = {"data": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
        with requests.request(self.method, tarn.web + self.path + query, headers=headers, stream=True, timeout=60,
                              allow_redirects=False, **options) as answer:
            if not self.streams:
                answer.content
            return answer.status_code


def http_rows(rows):
    return [HttpRow(row) for row in rows if row["protocol"] == "http"]


def check(found):
    """`found` is [(row, status, whether that is right)]."""
    assert found
    wrong = [f"{name}: {status}" for name, status, right in found if not right]
    assert not wrong, "\n".join(wrong)


def test_http_without_a_credential(small, rows):
    found = []
    for row in http_rows(rows):
        status = row.call(small, None)
        public = row.action == "public"
        # A wrong login is 401 as well.
        right = status < 500 if public else status == 401
        found.append((row.name, status, right))
    check(found)


def test_http_with_the_wrong_role(small, rows, stranger):
    found = []
    for row in http_rows(rows):
        if row.name == "POST /api/v1/logout":
            continue
        status = row.call(small, stranger)
        if row.action not in ("public", "self", *BUILT_IN):
            right = status == 403
        elif row.pattern.startswith(HIDES) or row.pattern.endswith("/cancel"):
            right = status in (400, 403, 404)
        else:
            right = status < 500 and status != 401
        found.append((row.name, status, right))
    check(found)


def test_every_row_is_in_the_openapi_document(small, rows):
    document = small.get("/api/v1/openapi.json")
    openapi_spec_validator.validate(document)
    said = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    wanted = {(row.method, row.pattern.replace("...}", "}")) for row in http_rows(rows)}
    assert said == wanted
    assert len({row["operationId"] for methods in document["paths"].values() for row in methods.values()}) == len(said)
    login = document["paths"]["/api/v1/login"]["post"]
    assert login["security"] == [] and "403" in document["paths"]["/api/v1/users"]["get"]["responses"]


def test_http_with_the_right_role(small, rows):
    found = []
    for row in http_rows(rows):
        status = row.call(small, small.token)
        allowed = status not in (401, 403) or row.pattern.startswith("/api/v1/login")
        found.append((row.name, status, status < 500 and allowed))
    check(found)


def test_http_malformed(small, rows):
    found = []
    for row in http_rows(rows):
        if row.writes and "{key...}" not in row.pattern:
            for body in (b'{"', b"[]", b"\xff\xfe", b'{"name": {"deep": 1}, "sql": 7, "target": [], "token": 1}'):
                status = row.call(small, small.token, body)
                # Who needs no body does not look at one.
                bodyless = status < 300 and row.name not in BODIES
                found.append((row.name, status, 400 <= status < 500 or bodyless))
        for query in ("?limit=abc", "?depth=-1&limit=99999999999999999999", "?before=%00&since=never", "?q=%ff", "?%"):
            body = None if not row.writes else b"{}"
            status = row.call(small, small.token, body, query)
            found.append((row.name + query, status, status < 500))
    check(found)


def send_declared(address, head, length):
    """Declares a body that it never sends, and returns the status; 0 when the connection is closed without one."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=15) as connection:
        connection.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode())
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while b"\r\n" not in answer:
            piece = connection.recv(4096)
            if not piece:
                return 0
            answer += piece
        return int(answer.split()[1])


def test_http_oversized(small, rows):
    found = []
    for row in http_rows(rows):
        if not row.writes:
            continue
        head = (f"{row.method} {row.path} HTTP/1.1\r\nHost: {small.ready['web']}\r\nContent-Type: application/json\r\n"
                f"Authorization: Bearer {small.token}\r\n")
        for length in (row.limit + 1, 10**15):
            status = send_declared(small.ready["web"], head, length)
            found.append((f"{row.name} ({length} bytes)", status, status == 413))
        if row.limit <= 1 << 20:
            body = b'{"sql": "' + b"x" * row.limit + b'"}'
            found.append((row.name, row.call(small, small.token, body), True))
            found[-1] = (*found[-1][:2], found[-1][1] == 413)
    check(found)


# ---- S3


@pytest.fixture(scope="module")
def matrix_bucket(s3):
    s3.create_bucket(Bucket="matrix")
    s3.put_object(Bucket="matrix", Key="key", Body=b"content")


def s3_call(tarn, operation, key, query="", body=None, headers=None):
    method, path = S3_REQUESTS[operation]
    url = tarn.s3 + path + ("&" if "?" in path else "?") * bool(query) + query
    body = S3_BODIES.get(operation, b"") if body is None else body
    headers = dict(headers or {})
    if operation in ("CopyObject", "UploadPartCopy"):
        headers.setdefault("x-amz-copy-source", "/matrix/key")
    if key:
        headers["x-amz-content-sha256"] = hashlib.sha256(body).hexdigest()
        signed = botocore.awsrequest.AWSRequest(method=method, url=url, data=body, headers=headers)
        credentials = botocore.credentials.Credentials(key["access_key_id"], key["secret_access_key"])
        botocore.auth.S3SigV4Auth(credentials, "s3", "us-east-1").add_auth(signed)
        headers = dict(signed.headers.items())
    return requests.request(method, url, data=body, headers=headers, timeout=60).status_code


@pytest.fixture(scope="module")
def s3_rows(rows, matrix_bucket):
    names = [row["name"] for row in rows if row["protocol"] == "s3"]
    assert sorted(names) == sorted(S3_REQUESTS), "a row without a request here, or the other way round"
    # What makes the others impossible comes last.
    return [row for row in rows if row["protocol"] == "s3" and row["name"] != "DeleteBucket"] + [
        row for row in rows if row["name"] == "DeleteBucket"]


def test_s3_without_a_signature(small, s3_rows):
    check([(row["name"], status, status == 403) for row in s3_rows
           for status in [s3_call(small, row["name"], None)]])


def test_s3_with_the_wrong_role(small, s3_rows, stranger):
    key = small.http("POST", "/api/v1/s3-keys", {}, token=stranger).json
    found = []
    for row in s3_rows:
        status = s3_call(small, row["name"], key)
        # Those two answer for each bucket, each key.
        found.append((row["name"], status, status == (200 if row["action"] == "self" else 403)))
    check(found)


def test_s3_with_the_right_role(small, s3_rows, admin_key):
    found = []
    for row in s3_rows:
        status = s3_call(small, row["name"], admin_key)
        found.append((row["name"], status, status < 500 and status not in (401, 403)))
    check(found)


def test_s3_malformed(small, s3_rows, admin_key):
    found = []
    for row in s3_rows:
        for query in ("max-keys=abc", "partNumber=-7", "continuation-token=%00%ff", "encoding-type=what", "tagging="):
            status = s3_call(small, row["name"], admin_key, query)
            found.append((f"{row['name']} {query}", status, status < 500 or status == 501))
        for body in (b"<", b"<Delete><Object>", b"\xff\x00", b"<a>" * 5000):
            status = s3_call(small, row["name"], admin_key, body=body)
            found.append((f"{row['name']} {body[:20]}", status, status < 500 or status == 501))
        wrong_hash = {"content-md5": "AAAA", "x-amz-checksum-crc32": "?", "range": "bytes=9-1", "if-match": '"'}
        status = s3_call(small, row["name"], admin_key, headers=wrong_hash)
        found.append((f"{row['name']} with headers", status, status < 500 or status == 501))
    check(found)


def test_s3_oversized(small, s3_rows, admin_key):
    found = []
    for row in s3_rows:
        method, path = S3_REQUESTS[row["name"]]
        if method not in ("PUT", "POST") or row["body_bytes_max"] > 1 << 30:
            continue
        status = s3_call(small, row["name"], admin_key, body=b"x" * (row["body_bytes_max"] + 1))
        found.append((row["name"], status, 400 <= status < 500))
    check(found)
