#!/usr/bin/python3
"""The picture of the page that the README shows.

    ./run page && apps/page/picture.py build/page/tapesort.html docs/page.png
"""
import sys

from browser import Browser

browser = Browser(sys.argv[1])
try:
    browser.open(width=1200, height=740)
    browser.js("document.getElementById('sort').scrollIntoView()")
    browser.picture(sys.argv[2])
finally:
    browser.close()
