"""The vendor's own client on a server of the test: what it receives is written down as it came.

    python3 -m venv FOLDER && FOLDER/bin/pip install -r requirements.txt
    FOLDER/bin/python peer.py --port 9001 --market stocks --subscribe T.AAPL,T.TSLA --expect 1000 --output FILE

FILE gets one line for each element that is no status: the text between the commas of its array, in the order of arrival.
Exit code: 0 the expected number has come, 1 the time is over, 2 the client ended by itself or could not read an element.
"""

import argparse
import asyncio
import json
import logging
import sys

from massive import WebSocketClient
from massive.websocket.models import parse

LOG = logging.getLogger("peer")


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--market", choices=["stocks", "crypto"], required=True)
    parser.add_argument("--subscribe", required=True, help="comma list of channels")
    parser.add_argument("--expect", type=int, required=True, help="number of elements")
    parser.add_argument("--output", required=True)
    parser.add_argument("--seconds", type=float, default=60, help="so long it waits for them")
    parser.add_argument("--key", default="peer")
    return parser.parse_args()


def elements(text):
    """The elements of an array, each read and as it stands in the text."""
    decoder = json.JSONDecoder()
    place = text.index("[") + 1
    while text[place] != "]":
        value, end = decoder.raw_decode(text, place)
        yield value, text[place:end]
        place = end + 1 if text[end] == "," else end


async def receive(options, output):
    client = WebSocketClient(
        api_key=options.key,
        feed=f"127.0.0.1:{options.port}",
        market=options.market,
        secure=False,
        raw=True,
        subscriptions=options.subscribe.split(","),
    )
    complete = asyncio.Event()
    count = 0

    async def take(text):
        nonlocal count
        for value, written in elements(text):
            if value["ev"] == "status":
                continue
            # The client's own classes must know the element, too.
            if len(parse([value], LOG, client.market)) != 1:
                raise ValueError(f"not understood: {written}")
            output.write(written + "\n")
            count += 1
        if count >= options.expect:
            complete.set()

    reading = asyncio.create_task(client.connect(take, max_size=16 << 20))
    waiting = asyncio.create_task(complete.wait())
    await asyncio.wait({reading, waiting}, timeout=options.seconds, return_when=asyncio.FIRST_COMPLETED)
    ended = reading.done()
    if ended and reading.exception():
        LOG.error("the client failed: %r", reading.exception())
    reading.cancel()
    waiting.cancel()
    await asyncio.gather(reading, waiting, return_exceptions=True)
    if complete.is_set():
        return 0
    LOG.error("%d of %d elements", count, options.expect)
    return 2 if ended else 1


def main():
    logging.basicConfig(level=logging.WARNING)
    options = arguments()
    with open(options.output, "w", encoding="utf-8") as output:
        return asyncio.run(receive(options, output))


if __name__ == "__main__":
    sys.exit(main())
