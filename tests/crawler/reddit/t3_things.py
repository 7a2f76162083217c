"""Submissions as Reddit's API sends them: the `data` of a t3 thing, with all its published fields.

Written after the API's documentation (reddit.com/dev/api, the objects page of its wiki) and the
fields that answers are known to hold; all values are made up.
"""

import copy
from typing import Any

Thing = dict[str, Any]

_FIELDS: Thing = {
    "approved_at_utc": None,
    "subreddit": "programming",
    "selftext": "",
    "author_fullname": "t2_4x2k1",
    "saved": False,
    "mod_reason_title": None,
    "gilded": 0,
    "clicked": False,
    "title": "A page worth reading — “quoted” & 日本語 😀",
    "link_flair_richtext": [],
    "subreddit_name_prefixed": "r/programming",
    "hidden": False,
    "pwls": 6,
    "link_flair_css_class": None,
    "downs": 0,
    "thumbnail_height": 78,
    "thumbnail_width": 140,
    "top_awarded_type": None,
    "hide_score": False,
    "name": "",
    "quarantine": False,
    "link_flair_text_color": "dark",
    "upvote_ratio": 0.93,
    "author_flair_background_color": None,
    "subreddit_type": "public",
    "ups": 1,
    "total_awards_received": 0,
    "media_embed": {},
    "author_flair_template_id": None,
    "is_original_content": False,
    "user_reports": [],
    "secure_media": None,
    "is_reddit_media_domain": False,
    "is_meta": False,
    "category": None,
    "secure_media_embed": {},
    "link_flair_text": None,
    "can_mod_post": False,
    "score": 1,
    "approved_by": None,
    "is_created_from_ads_ui": False,
    "author_premium": False,
    "thumbnail": "https://b.thumbs.redditmedia.example/x.jpg",
    "edited": False,
    "author_flair_css_class": None,
    "author_flair_richtext": [],
    "gildings": {},
    "post_hint": "link",
    "content_categories": None,
    "is_self": False,
    "mod_note": None,
    "created": 0.0,
    "link_flair_type": "text",
    "wls": 6,
    "removed_by_category": None,
    "banned_by": None,
    "author_flair_type": "text",
    "domain": "",
    "allow_live_comments": False,
    "selftext_html": None,
    "likes": None,
    "suggested_sort": None,
    "banned_at_utc": None,
    "url_overridden_by_dest": "",
    "view_count": None,
    "archived": False,
    "no_follow": False,
    "is_crosspostable": False,
    "pinned": False,
    "over_18": False,
    "preview": {
        "images": [
            {
                "source": {
                    "url": "https://external-preview.redd.example/a.jpg?auto=webp&s=1",
                    "width": 1200,
                    "height": 630,
                },
                "resolutions": [],
                "variants": {},
                "id": "a",
            }
        ],
        "enabled": False,
    },
    "all_awardings": [],
    "awarders": [],
    "media_only": False,
    "can_gild": False,
    "spoiler": False,
    "locked": False,
    "author_flair_text": None,
    "treatment_tags": [],
    "visited": False,
    "removed_by": None,
    "num_reports": None,
    "distinguished": None,
    "subreddit_id": "t5_2fwo",
    "author_is_blocked": False,
    "mod_reason_by": None,
    "removal_reason": None,
    "link_flair_background_color": "",
    "id": "",
    "is_robot_indexable": True,
    "report_reasons": None,
    "author": "somebody",
    "discussion_type": None,
    "num_comments": 4,
    "send_replies": True,
    "whitelist_status": "all_ads",
    "contest_mode": False,
    "mod_reports": [],
    "author_patreon_flair": False,
    "author_flair_text_color": None,
    "permalink": "",
    "parent_whitelist_status": "all_ads",
    "stickied": False,
    "url": "",
    "subreddit_subscribers": 6_512_345,
    "created_utc": 0.0,
    "num_crossposts": 0,
    "media": None,
    "is_video": False,
}


def link(
    submission_id: str,
    *,
    created_utc: float = 1_700_000_000.0,
    score: int = 1,
    url: str | None = None,
    **fields: object,
) -> Thing:
    """A link to a page outside Reddit; further fields replace the usual ones."""
    url = url or f"https://site-{submission_id}.example/story?id={submission_id}&lang=en"
    return copy.deepcopy(_FIELDS) | {
        "id": submission_id,
        "name": f"t3_{submission_id}",
        "permalink": f"/r/programming/comments/{submission_id}/a_page_worth_reading/",
        "url": url,
        "url_overridden_by_dest": url,
        "domain": url.split("/")[2],
        "created_utc": created_utc,
        "created": created_utc,
        "score": score,
        "ups": score,
        **fields,
    }


def self_post(submission_id: str, **fields: Any) -> Thing:
    """A text: its address is its own page on Reddit."""
    permalink = f"/r/programming/comments/{submission_id}/a_question/"
    post = link(submission_id, url=f"https://www.reddit.com{permalink}", **fields)
    del post["post_hint"], post["preview"], post["url_overridden_by_dest"]
    return post | {
        "is_self": True,
        "domain": "self.programming",
        "permalink": permalink,
        "thumbnail": "self",
        "selftext": "Why?\n\n&amp; how?",
        "selftext_html": '<div class="md"><p>Why?</p></div>',
    }


def gallery(submission_id: str, **fields: Any) -> Thing:
    """Several pictures, hosted by Reddit."""
    post = link(submission_id, url=f"https://www.reddit.com/gallery/{submission_id}", **fields)
    return post | {
        "is_gallery": True,
        "domain": "reddit.com",
        "gallery_data": {"items": [{"media_id": "m1", "id": 1}, {"media_id": "m2", "id": 2}]},
        "media_metadata": {
            "m1": {"status": "valid", "e": "Image", "m": "image/jpg", "id": "m1"},
            "m2": {"status": "valid", "e": "Image", "m": "image/png", "id": "m2"},
        },
    }


def crosspost(submission_id: str, parent: Thing, **fields: Any) -> Thing:
    """A submission of another submission: the address is its parent's."""
    return link(submission_id, url=parent["url"], **fields) | {
        "crosspost_parent": parent["name"],
        "crosspost_parent_list": [copy.deepcopy(parent)],
        "subreddit": "bestof",
        "subreddit_name_prefixed": "r/bestof",
    }


def video(submission_id: str, **fields: Any) -> Thing:
    """A video, hosted by Reddit."""
    media = {
        "reddit_video": {
            "bitrate_kbps": 2400,
            "fallback_url": "https://v.redd.it/abc/DASH_720.mp4?source=fallback",
            "height": 720,
            "width": 1280,
            "duration": 31,
            "is_gif": False,
            "transcoding_status": "completed",
        }
    }
    return link(submission_id, url="https://v.redd.it/abc", **fields) | {
        "is_video": True,
        "is_reddit_media_domain": True,
        "post_hint": "hosted:video",
        "media": media,
        "secure_media": copy.deepcopy(media),
    }


def image(submission_id: str, **fields: Any) -> Thing:
    """A picture, hosted by Reddit."""
    return link(submission_id, url="https://i.redd.it/abc.jpg", **fields) | {
        "is_reddit_media_domain": True,
        "post_hint": "image",
    }


def poll(submission_id: str, **fields: Any) -> Thing:
    """A vote: a text with options."""
    options = [{"text": "yes", "id": "1"}, {"text": "no", "id": "2"}]
    return self_post(submission_id, **fields) | {
        "poll_data": {
            "options": options,
            "total_vote_count": 9,
            "voting_end_timestamp": 1_700_259_200_000,
            "user_selection": None,
        }
    }


def hidden_score(submission_id: str, **fields: Any) -> Thing:
    """A link whose subreddit hides young scores: shown as 1, or as the votes so far."""
    return link(submission_id, **fields) | {"hide_score": True}


def nsfw(submission_id: str, **fields: Any) -> Thing:
    """A link for adults."""
    return link(submission_id, **fields) | {
        "over_18": True,
        "thumbnail": "nsfw",
        "whitelist_status": "promo_adult_nsfw",
        "parent_whitelist_status": "promo_adult_nsfw",
    }


def removed(submission_id: str, by: str = "moderator", **fields: Any) -> Thing:
    """A link that somebody took down: `moderator`, `automod_filtered`, `reddit`, ..."""
    return link(submission_id, **fields) | {
        "removed_by_category": by,
        "is_robot_indexable": False,
        "is_crosspostable": False,
    }


def deleted(submission_id: str, **fields: Any) -> Thing:
    """A link that its author took down."""
    post = removed(submission_id, by="deleted", **fields)
    del post["author_fullname"]
    return post | {"author": "[deleted]"}


def every_kind(first_number: int = 1_000, **fields: Any) -> list[Thing]:
    """One of each, with ids that follow one another."""
    kinds = (link, self_post, gallery, video, image, poll, hidden_score, nsfw, removed, deleted)
    things = [kind(f"a{first_number + n}", **fields) for n, kind in enumerate(kinds)]
    return [*things, crosspost(f"a{first_number + len(kinds)}", things[0], **fields)]
