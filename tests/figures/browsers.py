"""User agents of real browsers, written as each of them writes its own."""

from __future__ import annotations

_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
_LINUX = "Mozilla/5.0 (X11; Linux x86_64)"
_ANDROID = "Mozilla/5.0 (Linux; Android 10; K)"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X)"
_IPAD = "Mozilla/5.0 (iPad; CPU OS 16_7 like Mac OS X)"
_BLINK = "AppleWebKit/537.36 (KHTML, like Gecko)"
_IOS = "AppleWebKit/605.1.15 (KHTML, like Gecko)"


def _webview(device: str, app: str) -> str:
    return f"Mozilla/5.0 (Linux; Android {device}; wv) {_BLINK} Version/4.0 {app}"


BROWSERS = (
    f"{_WINDOWS} {_BLINK} Chrome/126.0.0.0 Safari/537.36",
    f"{_MAC} {_BLINK} Chrome/125.0.0.0 Safari/537.36",
    f"{_LINUX} {_BLINK} Chrome/124.0.0.0 Safari/537.36",
    f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {_BLINK} Chrome/126.0.0.0 Safari/537.36",
    f"{_ANDROID} {_BLINK} Chrome/126.0.0.0 Mobile Safari/537.36",
    f"Mozilla/5.0 (Linux; Android 8.1.0; CUBOT_NOTE_20) {_BLINK} Chrome/88.0.4324.181"
    " Mobile Safari/537.36",
    f"{_IPHONE} {_IOS} CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1",
    f"{_WINDOWS} {_BLINK} Chrome/109.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 6.1; Win64; x64; rv:115.0) Gecko/20100101 Firefox/115.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0",
    "Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0",
    f"{_IPHONE} {_IOS} FxiOS/127.0 Mobile/15E148 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:60.9) Gecko/20100101 Goanna/4.8 PaleMoon/29.1",
    f"{_MAC} {_IOS} Version/17.5 Safari/605.1.15",
    f"{_IPHONE} {_IOS} Version/17.5 Mobile/15E148 Safari/604.1",
    f"{_IPAD} {_IOS} Version/16.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 12_5_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like"
    " Gecko) Version/12.1.2 Mobile/15E148 Safari/604.1",
    f"{_WINDOWS} {_BLINK} Chrome/126.0.0.0 Safari/537.36 Edg/126.0.2592.56",
    f"{_ANDROID} {_BLINK} Chrome/126.0.0.0 Mobile Safari/537.36 EdgA/126.0.2592.56",
    f"{_IPHONE} {_IOS} Version/17.0 EdgiOS/126.0.2592.56 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
    f"{_WINDOWS} {_BLINK} Chrome/124.0.0.0 Safari/537.36 OPR/110.0.0.0",
    f"{_ANDROID} {_BLINK} Chrome/124.0.0.0 Mobile Safari/537.36 OPR/82.0.0.0",
    "Opera/9.80 (Android; Opera Mini/36.2.2254/119.132; U; id) Presto/2.12.423 Version/12.16",
    f"{_WINDOWS} {_BLINK} Chrome/125.0.0.0 Safari/537.36 Vivaldi/6.7.3329.41",
    f"{_WINDOWS} {_BLINK} Chrome/124.0.0.0 YaBrowser/24.6.0.0 Safari/537.36",
    f"{_ANDROID} {_BLINK} SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; U; Android 13; en-US; Redmi Note 12) AppleWebKit/537.36 (KHTML, like"
    " Gecko) Version/4.0 Chrome/100.0.4896.58 UCBrowser/13.6.0.1318 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; U; Android 12; zh-cn; M2012K11AC Build/SKQ1.211006.001)"
    f" {_BLINK} Version/4.0 Chrome/89.0.4389.116 Mobile Safari/537.36 XiaoMi/MiuiBrowser/16.8.22",
    f"Mozilla/5.0 (Linux; Android 12; HarmonyOS; NOH-AN00) {_BLINK} Chrome/99.0.4844.88"
    " HuaweiBrowser/13.0.6.301 Mobile Safari/537.36",
    f"{_ANDROID} {_BLINK} Chrome/125.0.0.0 Mobile DuckDuckGo/5 Safari/537.36",
    f"{_IPHONE} {_IOS} Version/17.5 Mobile/15E148 DuckDuckGo/7 Safari/605.1.15",
    f"Mozilla/5.0 (Linux; Android 11; KFTRWI) {_BLINK} Silk/124.4.6 like Chrome/124.0.6367.207"
    " Safari/537.36",
    f"{_IPHONE} {_IOS} GSA/320.0.644085936 Mobile/15E148 Safari/604.1",
    _webview(
        "14; SM-S918B Build/UP1A.231005.007",
        "Chrome/125.0.6422.165 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/468.0.0.46.102;]",
    ),
    f"{_IPHONE} {_IOS} Mobile/15E148 Instagram 335.0.8.30.99 (iPhone14,5; iOS 17_5_1; de_DE;"
    " de; scale=3.00; 1170x2532; 609775437)",
    f"{_IPHONE} {_IOS} Mobile/21F90 [FBAN/FBIOS;FBAV/468.1.0.43.109;FBBV/606846137;"
    "FBDV/iPhone14,5;FBMD/iPhone;FBSN/iOS;FBSV/17.5.1;FBSS/3;FBID/phone;FBLC/en_US;FBOP/5]",
    f"{_IPHONE} {_IOS} Mobile/15E148 MicroMessenger/8.0.49(0x18003130) NetType/WIFI Language/zh_CN",
    _webview(
        "13; Pixel 7 Build/TQ3A.230901.001", "Chrome/116.0.0.0 Mobile Safari/537.36 Line/14.9"
    ),
    f"{_IPHONE} {_IOS} Mobile/15E148 musical_ly_34.9.0 BytedanceWebview/d8a21c6",
    f"{_MAC} {_BLINK} Slack/4.38.125 Chrome/124.0.6367.207 Electron/30.0.9 Safari/537.36",
    f"Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.0) {_BLINK} 76.0.3809.146/6.0 TV Safari/537.36",
    f"Mozilla/5.0 (Web0S; Linux/SmartTV) {_BLINK} Chrome/79.0.3945.79 Safari/537.36 WebAppManager",
    "Mozilla/5.0 (PlayStation; PlayStation 5/6.00) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/15.4 Safari/605.1.15",
    f"{_LINUX} {_BLINK} Chrome/122.0.6261.171 Safari/537.36 QtWebEngine/6.7.1 Falkon/24.05.1",
    f"{_LINUX} {_IOS} Version/17.0 Safari/605.1.15 Epiphany/605.1.15",
    "Lynx/2.9.0dev.12 libwww-FM/2.14 SSL-MM/1.4.1 GNUTLS/3.7.8",
)
