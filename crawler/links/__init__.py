"""Submissions and URL tables -> links worth a visit."""
