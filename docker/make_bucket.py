"""Makes the bucket if there is none, and tries it: one object written, listed and deleted.

python docker/make_bucket.py BUCKET     (AWS_ENDPOINT_URL and the keys are in the environment)
"""

import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError

_TOUCHED = ".made"


def main(bucket: str) -> int:
    """1, with the reason, if the store refuses any of it."""
    try:
        store = boto3.client("s3")
        found = store.list_buckets()["Buckets"]
        if bucket not in {each["Name"] for each in found}:
            store.create_bucket(Bucket=bucket)
        store.put_object(Bucket=bucket, Key=_TOUCHED, Body=b"")
        store.list_objects_v2(Bucket=bucket, MaxKeys=1)
        store.delete_object(Bucket=bucket, Key=_TOUCHED)
    except (BotoCoreError, ClientError) as exc:
        sys.stderr.write(f"bucket {bucket}: {exc}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
