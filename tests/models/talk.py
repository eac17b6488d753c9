"""Short stories and short questions with answers, made by a small grammar."""

import random
import re

WORDS: dict[str, tuple[str, ...]] = {
    "name": ("Anna", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Henry", "Iris", "Jack", "Lily",
        "Max", "Nora", "Tim", "Sara"), "animal": ("dog", "cat", "rabbit", "fox", "bird", "horse", "mouse",
        "bear", "duck", "goat", "owl", "frog"), "place": ("forest", "garden", "village", "school", "river",
        "market", "beach", "kitchen", "library", "park", "farm", "old house"), "thing": ("ball", "key",
        "book", "lamp", "map", "boat", "hat", "letter", "bell", "basket", "kite", "box", "cup", "coat"),
    "trait": ("small", "brave", "kind", "curious", "quiet", "clever", "funny", "happy", "tired", "young",
        "old", "shy"), "colour": ("red", "blue", "green", "yellow", "white", "black", "brown", "golden",
        "silver", "purple"), "mood": ("happy", "sad", "afraid", "proud", "surprised", "glad", "worried",
        "excited", "calm"), "weather": ("The sun was shining", "It was raining", "A cold wind was blowing",
        "Snow was falling", "The sky was grey", "It was a warm day"), "time": ("One morning", "One day",
        "In the evening", "After school", "On Sunday", "Late at night", "Once upon a time",
        "Early in spring"), "food": ("bread", "soup", "cake", "apples", "cheese", "honey", "berries",
        "rice", "nuts"), "lesson": ("it is good to share", "friends help each other", "it is wise to wait",
        "small steps lead far", "the truth is best", "it is fine to ask for help"),
}  # fmt: skip
OPENINGS = (
    "{time}, a {trait} {animal} named {hero} lived near the {place}.",
    "{time}, {hero} went to the {place} with a {colour} {thing}.",
    "{hero} was a {trait} {animal} who loved {food}.", "{weather}, and {hero} wanted to go to the {place}.",
    "There was once a {trait} {animal}. Its name was {hero}.",
)  # fmt: skip
MIDDLES = (
    "{hero} saw a {colour} {thing} under a tree.", "There {hero} met {friend}, a {trait} {animal}.",
    '"Where is my {thing}?" asked {friend}.', '"I lost it near the {place}," said {hero}.',
    "{hero} felt {mood}.", "They looked for the {thing} all day.", "{weather}.",
    '"Can you help me?" asked {hero}. "Of course," said {friend}.', "{friend} gave {hero} some {food}.",
    "They walked to the {place} together.",
    "{hero} opened the {thing} and found a {colour} {thing2} inside.",
    "The {animal} ran away, and {friend} was {mood}.",
    "{friend} had an idea: they could use the {thing} to reach the {place}.",
    "They ate {food} and talked until it was dark.",
)  # fmt: skip
ENDINGS = (
    "In the end, {hero} and {friend} went home and were {mood}.",
    "From that day on, {hero} knew that {lesson}.",
    "{hero} smiled and gave the {thing} to {friend}. They were best friends.",
    "That night {hero} slept well and dreamed of the {place}.", 'And {friend} said, "{lesson}."',
)  # fmt: skip
CAPITALS = {
    "France": "Paris", "Germany": "Berlin", "Italy": "Rome", "Spain": "Madrid", "Japan": "Tokyo",
    "Egypt": "Cairo", "Norway": "Oslo", "Greece": "Athens", "Peru": "Lima", "Kenya": "Nairobi",
    "Poland": "Warsaw", "Austria": "Vienna", "Canada": "Ottawa", "Cuba": "Havana", "India": "New Delhi",
    "China": "Beijing", "Portugal": "Lisbon", "Ireland": "Dublin", "Finland": "Helsinki",
    "Sweden": "Stockholm",
}  # fmt: skip
OPPOSITES = {
    "hot": "cold", "big": "small", "up": "down", "fast": "slow", "open": "closed", "light": "dark",
    "early": "late", "full": "empty", "high": "low", "old": "new", "wet": "dry", "left": "right",
    "first": "last", "true": "false", "rich": "poor", "hard": "soft",
}  # fmt: skip
WEEK = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SLOT = re.compile(r"\{(\w+)\}")


def document(rng: random.Random) -> str:
    """Return a story, a story with questions about it, or a list of short questions with answers."""
    form = rng.random()
    if form < 0.45:
        return _story(rng)[0]
    if form < 0.75:
        text, facts = _story(rng)
        asked = rng.sample(facts, min(len(facts), rng.randint(1, 3)))
        return text + "\n\n" + "\n".join(f"Q: {question}\nA: {answer}" for question, answer in asked)
    return "\n\n".join("Q: {}\nA: {}".format(*_quiz(rng)) for _ in range(rng.randint(2, 8)))


def _story(rng: random.Random) -> tuple[str, list[tuple[str, str]]]:
    """A story of 5 to 14 sentences about two characters and one thing, and what can be asked about it."""
    hero, friend = rng.sample(WORDS["name"], 2)
    thing, other = rng.sample(WORDS["thing"], 2)
    fixed = {
        "hero": hero,
        "friend": friend,
        "thing": thing,
        "thing2": other,
        "place": rng.choice(WORDS["place"]),
    }
    lines = [rng.choice(OPENINGS), *rng.sample(MIDDLES, rng.randint(3, 12)), rng.choice(ENDINGS)]
    text = " ".join(
        SLOT.sub(lambda slot: fixed.get(slot[1]) or rng.choice(WORDS[slot[1]]), line) for line in lines
    )
    facts = [("Who is the story about?", f"The story is about {hero}.")]
    if thing in text:
        facts.append((f"Which thing belongs to {friend}'s story?", f"It is the {thing}."))
    if fixed["place"] in text:
        facts.append(("Where does the story take place?", f"It takes place near the {fixed['place']}."))
    if friend in text:
        facts.append((f"Who is with {hero}?", f"{friend} is with {hero}."))
    return text, facts


def _quiz(rng: random.Random) -> tuple[str, str]:
    """One short question of general knowledge and its answer."""
    country, word, day = rng.choice(sorted(CAPITALS)), rng.choice(sorted(OPPOSITES)), rng.randrange(7)
    number, name, colour, thing = (
        rng.randint(1, 50),
        rng.choice(WORDS["name"]),
        rng.choice(WORDS["colour"]),
        rng.choice(WORDS["thing"]),
    )
    return rng.choice(
        (
            (f"What is the capital of {country}?", f"The capital of {country} is {CAPITALS[country]}."),
            (
                f"Which country has the capital {CAPITALS[country]}?",
                f"{CAPITALS[country]} is the capital of {country}.",
            ),
            (f"What is the opposite of {word}?", f"The opposite of {word} is {OPPOSITES[word]}."),
            (f"Which day comes after {WEEK[day]}?", f"After {WEEK[day]} comes {WEEK[(day + 1) % 7]}."),
            (f"Is {number} even or odd?", f"{number} is {'odd' if number % 2 else 'even'}."),
            (f"{name} has a {colour} {thing}. What colour is the {thing}?", f"The {thing} is {colour}."),
            (f"What number comes after {number}?", f"After {number} comes {number + 1}."),
        )
    )
