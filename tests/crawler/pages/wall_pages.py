"""What is served in place of pages: each as its kind is, cut to what tells it."""

_CLOUDFLARE = """<!DOCTYPE html><html lang="en-US"><head><title>Just a moment...</title>
<meta name="robots" content="noindex,nofollow"></head><body><div class="main-wrapper"><noscript>
<div class="h2"><span id="challenge-error-text">Enable JavaScript and cookies to continue</span>
</div></noscript></div><script>(function(){window._cf_chl_opt = {cvId: '3', cType: 'managed'};
}());</script></body></html>"""

_INCAPSULA = """<html style="height:100%"><head><META NAME="ROBOTS" CONTENT="NOINDEX, NOFOLLOW">
<meta name="viewport" content="initial-scale=1.0"></head><body style="margin:0px;height:100%">
<iframe id="main-iframe" src="/_Incapsula_Resource?SWUDNSAI=31" frameborder=0 width="100%">
Request unsuccessful. Incapsula incident ID: 877000160104580241-271544217842882052</iframe></body>
</html>"""

_PERIMETERX = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">
<title>Access to this page has been denied.</title></head><body><section class="container">
<p>Access to this page has been denied because we believe you are using automation tools to browse
the website.</p><div id="px-captcha"></div></section></body></html>"""

_DATADOME = """<html lang="en"><head><title>somesite.example</title><style>#cmsg{animation: A 1.5s;}
</style></head><body style="margin:0"><p id="cmsg">Please enable JS and disable any ad blocker</p>
<script data-cfasync="false">var dd={'rt':'c','hsh':'F40','host':'geo.captcha-delivery.com'
}</script></body></html>"""

_AKAMAI = """<HTML><HEAD><TITLE>Access Denied</TITLE></HEAD><BODY><H1>Access Denied</H1>
You don't have permission to access "http://news.example/story" on this server.<P>
Reference #18.2d351ab8.1557333295.a4e16ab<P>https://errors.edgesuite.net/18.2d351ab8</BODY></HTML>"""

_CAPTCHA = """<html><head><title>Are you a robot? | Market News</title></head><body>
<h2>We've detected unusual activity from your computer network</h2><p>To continue, please click the
box below to let us know you're not a robot.</p><div class="g-recaptcha"></div></body></html>"""

_CONSENT = """<!doctype html><html><head><title>Before you continue to Google Search</title>
</head><body><h1>Before you continue</h1><form action="https://consent.google.com/save"><button>
Accept all</button></form></body></html>"""

_TUMBLR = """<!DOCTYPE html><html><head><title>Tumblr is now part of Oath</title></head><body>
<p>We need your consent to go on.</p><button>OK</button></body></html>"""

_LOGIN = """<html><head><title>Log in | A Club</title></head><body>
<form method="post" action="/in">
<input name="user"><input type='password' name="word"><button>Log in</button></form></body>
</html>"""

_NOT_FOUND = """<html><head><title>Page not found &ndash; The Daily Example</title></head><body>
<h1>Oops!</h1><p>The page you are looking for is not here.</p></body></html>"""

_FOR_SALE = """<html><head><title>daily-example.com is for sale</title></head><body><a href="/buy">
Buy this domain</a></body></html>"""

_ADS = """<!DOCTYPE html><html data-adblockkey="MFwwDQYJKoZIhvcNAQEBBQ_mJAAA=="><head><title>
daily-example.com</title></head><body><div id="container"></div></body></html>"""

WALL_PAGES: dict[str, tuple[str, str]] = {
    "cloudflare": ("bot_wall", _CLOUDFLARE),
    "incapsula": ("bot_wall", _INCAPSULA),
    "perimeterx": ("bot_wall", _PERIMETERX),
    "datadome": ("bot_wall", _DATADOME),
    "akamai": ("bot_wall", _AKAMAI),
    "captcha": ("bot_wall", _CAPTCHA),
    "consent": ("cookie_wall", _CONSENT),
    "tumblr": ("cookie_wall", _TUMBLR),
    "login": ("login_wall", _LOGIN),
    "not_found": ("soft_404", _NOT_FOUND),
    "for_sale": ("parked", _FOR_SALE),
    "advertisements": ("parked", _ADS),
}
"""name -> the outcome that a link to it deserves, and the page"""
