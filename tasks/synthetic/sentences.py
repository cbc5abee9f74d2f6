"""What the people of the synthetic benchmark say: neutral sentences in Chinese and English, and emotional ones.

The neutral sentences are plain statements of fact; which one a clip gets does not depend on its label.
"""

from __future__ import annotations

import numpy as np

# {…} are slots, filled from SLOTS of the same language
NEUTRAL: dict[str, tuple[str, ...]] = {
    "en": (
        "The meeting starts at {time} in room {number}.",
        "The {thing} is on the table next to the door.",
        "The train to {place} leaves from platform {number}.",
        "There are {number} copies of the {thing} in the drawer.",
        "The shop in {place} opens at {time}.",
        "Please put the {thing} back on the shelf.",
        "The road to {place} is {number} kilometres long.",
        "The class is moved to {time} on {day}.",
        "We have {number} chairs in this room.",
        "The office in {place} is closed on {day}.",
        "The {thing} weighs about {number} kilos.",
        "Someone left a {thing} at the front desk on {day}.",
    ),
    "zh": (
        "会议{time}在{number}号房间开始。",
        "{thing}放在门边的桌子上。",
        "去{place}的火车在{number}号站台。",
        "抽屉里有{number}份{thing}。",
        "{place}的商店{time}开门。",
        "请把{thing}放回架子上。",
        "到{place}的路有{number}公里。",
        "这节课改到{day}{time}。",
        "这个房间里有{number}把椅子。",
        "{place}的办公室{day}不上班。",
        "这个{thing}大约有{number}公斤。",
        "{day}有人把{thing}留在了前台。",
    ),
}

SLOTS: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "time": ("nine", "half past ten", "noon", "two", "a quarter to four", "six"),
        "number": ("three", "five", "eight", "eleven", "twelve", "twenty"),
        "thing": ("blue folder", "printer", "notebook", "wooden box", "lamp", "user manual"),
        "place": ("the north gate", "the station", "the harbour", "the old town", "the airport", "the library"),
        "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"),
    },
    "zh": {
        "time": ("九点", "十点半", "中午", "下午两点", "三点三刻", "六点"),
        "number": ("三", "五", "八", "十一", "十二", "二十"),
        "thing": ("蓝色文件夹", "打印机", "笔记本", "木箱子", "台灯", "说明书"),
        "place": ("北门", "车站", "码头", "老城区", "机场", "图书馆"),
        "day": ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六"),
    },
}

EMOTIONAL: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "Anger": ("How dare you do that, I have had enough!", "Stop it right now, this makes me furious!"),
        "Disgust": ("Ugh, that is revolting, take it away.", "This smells so foul that I feel sick."),
        "Fear": ("Please do not leave me here, I am terrified.", "Something is out there and I am so scared."),
        "Joy": ("This is the happiest day of my life!", "We won, I am so glad, this is wonderful!"),
        "Sadness": ("I miss him so much, I cannot stop crying.", "It is all lost, and my heart is broken."),
        "Surprise": ("Wow, I never expected to see you here!", "What, really? I cannot believe it!"),
    },
    "zh": {
        "Anger": ("你怎么敢这样，我受够了！", "马上住手，我真的气死了！"),
        "Disgust": ("呸，太恶心了，快拿走。", "这味道臭得我想吐。"),
        "Fear": ("求你别把我一个人留在这里，我好害怕。", "外面有东西，我怕得发抖。"),
        "Joy": ("今天是我一生中最开心的一天！", "我们赢了，我太高兴了，真好！"),
        "Sadness": ("我好想他，眼泪停不下来。", "什么都没有了，我的心都碎了。"),
        "Surprise": ("哇，真没想到会在这里见到你！", "什么，真的吗？简直不敢相信！"),
    },
}


def neutral_sentence(language: str, rng: np.random.Generator) -> str:
    """A sentence that carries no emotion."""
    choices = NEUTRAL[language]
    sentence = choices[int(rng.integers(len(choices)))]
    slots = {name: words[int(rng.integers(len(words)))] for name, words in SLOTS[language].items()}
    return sentence.format(**slots)


def contradicting_sentence(language: str, label: str, rng: np.random.Generator) -> str:
    """An emotional sentence of another emotion than `label`, each other emotion equally often."""
    others = [emotion for emotion in EMOTIONAL[language] if emotion != label]
    sentences = EMOTIONAL[language][others[int(rng.integers(len(others)))]]
    return sentences[int(rng.integers(len(sentences)))]
