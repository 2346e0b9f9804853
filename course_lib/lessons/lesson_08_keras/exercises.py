"""Exercises of lesson 08, Keras: counting weights, one softmax too many, when to stop, and five patients."""

from __future__ import annotations

from numbers import Integral

import numpy as np

from course_lib.teaching.exercise import Exercise, bank
from course_lib.teaching.running import Review, array_of_shape, first_match


# ---------------------------------------------------------------------------------------------------------------------
# 8.1  how many numbers
# ---------------------------------------------------------------------------------------------------------------------
def weight_count(kind, features, units):
    """How many numbers a Keras layer learns; kind is "SimpleRNN", "LSTM" or "GRU"."""
    blocks = {"SimpleRNN": 1, "LSTM": 4, "GRU": 3}[kind]
    biases = 2 if kind == "GRU" else 1
    return blocks * (features * units + units * units + biases * units)


def _one_block(kind, features, units):
    return features * units + units * units + units


def _gates_only(kind, features, units):
    return {"SimpleRNN": 1, "LSTM": 3, "GRU": 2}[kind] * (features * units + units * units + units)


def _one_bias(kind, features, units):
    return {"SimpleRNN": 1, "LSTM": 4, "GRU": 3}[kind] * (features * units + units * units + units)


def _no_bias(kind, features, units):
    return {"SimpleRNN": 1, "LSTM": 4, "GRU": 3}[kind] * (features * units + units * units)


def _no_recurrent_kernel(kind, features, units):
    return {"SimpleRNN": 1, "LSTM": 4, "GRU": 3}[kind] * (features * units + units)


def _two_biases_everywhere(kind, features, units):
    return {"SimpleRNN": 1, "LSTM": 4, "GRU": 3}[kind] * (features * units + units * units + 2 * units)


def _bias_once(kind, features, units):
    return {"SimpleRNN": 1, "LSTM": 4, "GRU": 3}[kind] * (features * units + units * units) + units


def _second_row_once(kind, features, units):
    return _one_bias(kind, features, units) + (units if kind == "GRU" else 0)


WRONG_COUNTS = (
    (
        _one_block,
        "This is right for SimpleRNN, and the others have it several times over: every gate has a kernel, a "
        "recurrent kernel and a bias of its own. Look at the shapes that section 1 prints.",
    ),
    (
        _gates_only,
        "The gates are counted, and one block is missing: what is to be written into the memory, the "
        "candidate, has weights of its own, though it is no gate.",
    ),
    (
        _one_bias,
        "SimpleRNN and LSTM are right. Keras' GRU has more than you count: look at the shape of its bias in "
        "section 1. It keeps one bias for the input's sum and one for the state's.",
    ),
    (_no_bias, "The two matrices are counted, the bias is not."),
    (
        _bias_once,
        "The matrices are right. But a bias is added in every block, not once a layer: look at its length in "
        "section 1.",
    ),
    (
        _second_row_once,
        "SimpleRNN and LSTM are right, and you saw that the GRU has a bias more. It is a whole second "
        "row: one for each of its three blocks.",
    ),
    (
        _no_recurrent_kernel,
        "This counts what stands between input and state. What stands between the last state and "
        "this one, (units, units) for each block, is missing.",
    ),
    (_two_biases_everywhere, "Two rows of bias is what the GRU has, and only the GRU."),
)


def _check_weight_count(attempt):
    cases = [(kind, *sizes) for sizes in ((27, 50), (3, 4)) for kind in ("SimpleRNN", "LSTM", "GRU")]
    got = np.array([array_of_shape(attempt(*case), (), "one number, how many weights") for case in cases])
    wanted = np.array([weight_count(*case) for case in cases])
    if np.array_equal(got, wanted):
        return None
    for wrong, says in WRONG_COUNTS:
        if np.array_equal(got, [wrong(*case) for case in cases]):
            return says
    case, ours, yours = next((c, w, g) for c, w, g in zip(cases, wanted, got, strict=True) if w != g)
    name = "An LSTM" if case[0] == "LSTM" else f"A {case[0]}"
    return (
        f"{name} with {case[1]} features and {case[2]} units learns {ours} numbers; your answer is {yours:g}. How "
        f"many blocks has it, and what belongs to one block?"
    )


COUNT = Exercise(
    number="8.1",
    title="How many numbers?",
    prompt=r"""
`model.summary()` prints a column of parameter counts, and it is worth being able to check one on paper: it is how one
finds out that a layer was connected to something else than one thought.

How many numbers does a layer learn? `kind` is `"SimpleRNN"`, `"LSTM"` or `"GRU"`, each as Keras builds it by default;
`features` is the size of $x_t$, `units` that of $h_t$. Return a whole number.
""",
    hints=(
        "A SimpleRNN has W_x, W_h and b. Write down their shapes, and add up.",
        "The others have several such blocks side by side. The shapes in section 1 say how many: divide the kernel's "
        "second size by the units.",
        "Blocks: 1, 4, 3. A block has features·units + units·units + units numbers, and in the GRU's case units more, "
        "because its bias has two rows.",
    ),
    solution=weight_count,
    why="Most of them are in the recurrent kernel as soon as there are more units than features, and they grow "
    "with the square of the units, not with the length of the sequence.",
    check=_check_weight_count,
    misconceptions=WRONG_COUNTS,
)


# ---------------------------------------------------------------------------------------------------------------------
# 8.2  one softmax too many
# ---------------------------------------------------------------------------------------------------------------------
def lowest_loss(classes):
    """The lowest cross-entropy, in nats, when a softmax is applied to what has been through a softmax."""
    return float(np.log(np.e + classes - 1) - 1)


def _zero(classes):
    return 0.0


def _first_loss(classes):
    return np.log(classes)


def _in_bits(classes):
    return lowest_loss(classes) / np.log(2)


def _probability(classes):
    return np.e / (np.e + classes - 1)


def _sign_lost(classes):
    return -lowest_loss(classes)


def _others_forgotten(classes):
    return np.log(np.e + classes) - 1


def _all_ones(classes):
    return np.log(classes) - 1


WRONG_LOSSES = (
    (
        _zero,
        "A single softmax can get as close to 0 as it likes, because scores may be as large as they like. What the "
        "second one gets is no scores but probabilities. How large can the largest be, how small the others?",
    ),
    (
        _first_loss,
        "That is the loss of a model that finds all classes equally likely, where it starts. It can do "
        "better than that: let the inner softmax be quite sure of the right class.",
    ),
    (_in_bits, "The right loss in the wrong unit. Keras' losses are in nats, with ln."),
    (_probability, "This is the largest probability that can come out. The loss is the surprise at it, -ln."),
    (_sign_lost, "The right size with the wrong sign: the loss is *minus* the logarithm."),
    (
        _all_ones,
        "You divide e by the number of classes. The denominator is the sum of all that come out: `classes - 1` "
        "ones, and the e itself.",
    ),
    (_others_forgotten, "Nearly. There are `classes - 1` others besides the right one, each with e to the power of 0."),
)


def _check_lowest_loss(attempt):
    for classes in (2, 27, 1000):
        got = array_of_shape(attempt(classes), (), "one number, the lowest loss in nats")
        if not np.isclose(got, lowest_loss(classes)):
            return first_match(got, (classes,), WRONG_LOSSES) or (
                f"With {classes} classes the lowest loss is {lowest_loss(classes):.4f}; your answer is "
                f"{float(got):.4f}. Let the inner softmax say 1 for the right class and 0 for the rest, and apply "
                f"softmax to that."
            )
    return None


TWICE = Exercise(
    number="8.2",
    title="One softmax too many",
    prompt=r"""
The last layer has a softmax, and the loss was told that scores are coming, so that it applies another. Keras does not
mind, if it cannot see it. The first loss is right, training runs, and the loss falls. But one batch cannot be learned
by heart: in section 4 the curve stayed far above 0.

How low could it ever get? The inner softmax gives numbers between 0 and 1 with sum 1; the outer one takes these as
scores. What is the lowest loss, in nats, that any weights can reach, with `classes` classes?
""",
    hints=(
        "What is the best that the inner softmax could say? Put that into the formula of the outer one.",
        "The best is (1, 0, 0, ...), with the 1 at the right class. The outer softmax makes e¹ and e⁰ of these.",
        "The right class gets e / (e + classes - 1). The loss is minus its logarithm.",
    ),
    solution=lowest_loss,
    why="A loss that cannot get below an odd number is a message. With 27 classes this one is 2.36, and most runs stay "
    "above it: an inner softmax that is sure of something wrong is flat, and hardly learns.",
    check=_check_lowest_loss,
    misconceptions=WRONG_LOSSES,
)


# ---------------------------------------------------------------------------------------------------------------------
# 8.3  when to stop
# ---------------------------------------------------------------------------------------------------------------------
def stop_early(losses, patience):
    """(epochs trained, epoch whose weights are kept), both counted from 1, for validation losses as they come in."""
    best, kept = np.inf, 0
    for epoch, loss in enumerate(losses, 1):
        if loss < best:
            best, kept = loss, epoch
        elif epoch - kept >= patience:
            return epoch, kept
    return len(losses), kept


def _sees_the_future(losses, patience):
    kept = int(np.argmin(losses)) + 1
    return min(kept + patience, len(losses)), kept


def _keeps_the_last(losses, patience):
    epochs, _ = stop_early(losses, patience)
    return epochs, epochs


def _counts_all_bad_epochs(losses, patience):
    best, kept, bad = np.inf, 0, 0
    for epoch, loss in enumerate(losses, 1):
        if loss < best:
            best, kept = loss, epoch
        else:
            bad += 1
            if bad >= patience:
                return epoch, kept
    return len(losses), kept


def _counts_rises(losses, patience):
    rises = 0
    for epoch in range(2, len(losses) + 1):
        rises = rises + 1 if losses[epoch - 1] > losses[epoch - 2] else 0
        if rises >= patience:
            return epoch, int(np.argmin(losses[:epoch])) + 1
    return len(losses), int(np.argmin(losses)) + 1


def _one_late(losses, patience):
    return stop_early(losses, patience + 1)


def _from_zero(losses, patience):
    epochs, kept = stop_early(losses, patience)
    return epochs - 1, kept - 1


def _later_tie(losses, patience):
    best, kept = np.inf, 0
    for epoch, loss in enumerate(losses, 1):
        if loss <= best:
            best, kept = loss, epoch
        elif epoch - kept >= patience:
            return epoch, kept
    return len(losses), kept


def _never_stops(losses, patience):
    return len(losses), int(np.argmin(losses)) + 1


WRONG_STOPS = (
    (
        _never_stops,
        "You find the best epoch of the whole list, and train to its end. Stopping early saves the epochs "
        "after the patience is used up, and does not know what they would have brought.",
    ),
    (
        _sees_the_future,
        "You look for the lowest loss of the whole list. When training stops, what would have come "
        "later is not known: a better epoch after the stop does not count. Go through the list as "
        "it comes.",
    ),
    (
        _keeps_the_last,
        "The stop is right. But the weights kept are those of the last epoch, which is by definition "
        "not the best. `restore_best_weights=True` goes back to the best.",
    ),
    (
        _counts_all_bad_epochs,
        "Your patience is used up once and for all. A new best sets the count back to 0: what "
        "counts is how long ago the best was.",
    ),
    (
        _counts_rises,
        "You count epochs in which the loss rose above the one before. A loss that jumps up and then falls "
        "slowly, without reaching the best again, does not improve: compare with the best so far.",
    ),
    (
        _one_late,
        "You wait one epoch too long. With patience 2 the second epoch in a row without a new best is the last.",
    ),
    (_from_zero, "Both numbers are one too small: epochs are counted from 1 here."),
    (_later_tie, "An epoch that only equals the best is no improvement, and does not start the patience anew."),
)


def _check_stop_early(attempt):
    cases = [  # falls and rises; a second dip after the stop; jumps; a slow fall after a jump; ties; never stops
        ([3.0, 2.5, 2.2, 2.3, 2.4, 2.5, 2.6], 2),
        ([3.0, 2.5, 2.6, 2.7, 2.0, 1.9], 2),
        ([3.0, 3.1, 2.5, 2.6, 2.2, 2.3, 2.1, 2.4, 2.5, 2.6], 3),
        ([2.0, 3.0, 2.9, 2.8, 2.7, 2.6], 3),
        ([2.0, 2.0, 2.0, 1.0, 0.5], 2),
        ([3.0, 2.0, 1.0], 2),
        ([1.0, 2.0], 1),
    ]
    got = []
    for losses, patience in cases:
        pair = attempt(losses, patience)
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not all(isinstance(n, Integral) for n in pair):
            raise Review(
                "Expected: two whole numbers, `(epochs trained, epoch kept)`. "
                f"What came is of type `{type(pair).__name__}`: {str(pair)[:60]}."
            )
        got.append(tuple(int(n) for n in pair))
    wanted = [stop_early(*case) for case in cases]
    if got == wanted:
        return None
    for wrong, says in WRONG_STOPS:
        if got == [wrong(*case) for case in cases]:
            return says
    (losses, patience), ours, yours = next((c, w, g) for c, w, g in zip(cases, wanted, got, strict=True) if w != g)
    return (
        f"For the losses {losses} and patience {patience} training ends after epoch {ours[0]} and keeps the "
        f"weights of epoch {ours[1]}; you say {yours[0]} and {yours[1]}."
    )


STOP = Exercise(
    number="8.3",
    title="When to stop",
    prompt=r"""
`EarlyStopping(patience=2, restore_best_weights=True)` watches the validation loss. It stops when two epochs in a row
have brought no new best, and goes back to the weights of the best epoch.

Write it yourself. `losses` is what the validation loss *would* be, epoch by epoch, if training went on to the end;
`patience` is at least 1. Return two whole numbers, counted from 1: after which epoch training ends, and the epoch whose
weights are kept. To be a new best, a loss must be below the best so far. If it never stops, all epochs are trained.
""",
    hints=(
        "Go through the losses one by one, as they would come in, and remember two things.",
        "Remember the best loss so far and its epoch. The patience is used up when this epoch minus the best one has "
        "reached it.",
        "`for epoch, loss in enumerate(losses, 1)`: if `loss < best`, remember both; else, if "
        "`epoch - kept >= patience`, return `epoch, kept`. After the loop, `len(losses), kept`.",
    ),
    solution=stop_early,
    why="The validation set has now chosen something, the epoch, and its best loss flatters a little. What you report "
    "comes from a third part, the test, as in exercise 2.5.",
    check=_check_stop_early,
    misconceptions=WRONG_STOPS,
)


# ---------------------------------------------------------------------------------------------------------------------
# 8.4  five patients
# ---------------------------------------------------------------------------------------------------------------------
NAMES = ("healthy", "loud start", "softmax twice", "mixed-up targets", "learned by heart")
EXAMINATIONS = ("first loss", "one batch", "training", "validation")


def diagnose(ask, classes, frequencies):
    """The name of what a run suffers from, after asking for examinations."""
    if ask("first loss") > 1.3 * np.log(classes):
        return "loud start"
    if ask("one batch")[-1] > 0.3:
        return "softmax twice"
    validation = np.array(ask("validation"))
    if validation.min() > 0.95 * frequencies:
        return "mixed-up targets"
    if validation[-1] > validation.min() + 0.2:
        return "learned by heart"
    return "healthy"


def _training_only(ask, classes, frequencies):
    return "healthy" if ask("training")[-1] < 0.8 * ask("training")[0] else "mixed-up targets"


def _for_27_symbols(ask, classes, frequencies):
    return diagnose(ask, 27, 2.96)


def _one_batch_settles_it(ask, classes, frequencies):
    if ask("first loss") > 1.3 * np.log(classes):
        return "loud start"
    return "softmax twice" if ask("one batch")[-1] > 0.3 else "healthy"


def _better_than_even(ask, classes, frequencies):
    said = diagnose(ask, classes, frequencies)
    if said == "mixed-up targets" and ask("validation")[-1] < 0.97 * np.log(classes):
        return "healthy"
    return said


def _by_heart_if(sign, ask, classes, frequencies):
    said = diagnose(ask, classes, frequencies)
    if said not in ("healthy", "learned by heart"):
        return said
    return "learned by heart" if sign(np.array(ask("training")), np.array(ask("validation"))) else "healthy"


def _gap_means_by_heart(ask, classes, frequencies):
    return _by_heart_if(lambda training, validation: validation[-1] > training[-1] + 0.05, ask, classes, frequencies)


def _wide_gap_means_by_heart(ask, classes, frequencies):
    return _by_heart_if(lambda training, validation: validation[-1] > training[-1] + 1, ask, classes, frequencies)


def _low_training_loss_means_by_heart(ask, classes, frequencies):
    return _by_heart_if(lambda training, validation: training[-1] < 0.5 * frequencies, ask, classes, frequencies)


def _any_rise_means_by_heart(ask, classes, frequencies):
    return _by_heart_if(lambda training, validation: validation[-1] > validation.min(), ask, classes, frequencies)


def _mixed_up_by_training(ask, classes, frequencies):
    said = diagnose(ask, classes, frequencies)
    if said not in ("healthy", "mixed-up targets"):
        return said
    return "mixed-up targets" if ask("training")[-1] > 0.95 * frequencies else "healthy"


def _last_validation_loss(ask, classes, frequencies):
    said = diagnose(ask, classes, frequencies)
    if said == "learned by heart" and ask("validation")[-1] > 0.95 * frequencies:
        return "mixed-up targets"
    return said


def _loud_beside_the_table(ask, classes, frequencies):
    said = diagnose(ask, classes, frequencies)
    if said == "loud start":
        return said
    return "loud start" if ask("first loss") > 1.5 * frequencies else said


def _exactly_zero(ask, classes, frequencies):
    said = diagnose(ask, classes, frequencies)
    return "softmax twice" if said != "loud start" and ask("one batch")[-1] > 0.02 else said


def _patient(illness, classes, frequencies, rng):
    """What each examination of a run shows: numbers of the size that such runs have, a little different each time."""
    start = np.log(classes) * (rng.uniform(1.9, 2.5) if illness == "loud start" else rng.uniform(0.99, 1.02))
    batch, training, validation = rng.uniform(0.02, 0.12), rng.uniform(0.35, 0.7), rng.uniform(0.72, 0.8)
    rise, onset = 0, 6
    if illness == "mixed-up targets":
        training, validation = rng.uniform(0.6, 0.97), rng.uniform(1, 1.03)  # it begins to learn nonsense by heart
    elif illness == "learned by heart":
        training, validation, onset = rng.uniform(0.2, 0.6), rng.uniform(0.62, 0.75), rng.integers(5, 13)
        rise = rng.uniform(0.4, 0.8) * max(1, frequencies / 2)
    training, validation = training * frequencies, validation * frequencies
    if illness == "softmax twice":
        lowest = lowest_loss(classes)
        batch = 1.01 * lowest
        training = validation = lowest + rng.uniform(0.4, 0.75) * (np.log(classes) - lowest)
    steps = np.arange(20)

    def falling(low, speed, wobble):
        return low + (start - low) * np.exp(-speed * steps) + rng.uniform(0, wobble, 20)

    watched = falling(validation, 0.7, 0.04) + np.maximum(steps - onset, 0) / (19 - onset) * rise
    return {
        "first loss": float(start),
        "one batch": falling(batch, 0.5, 0.01).tolist(),
        "training": falling(training, 0.6, 0.01).tolist(),
        "validation": watched.tolist(),
    }


WHERE_TO_LOOK = {
    "healthy": "Its first loss is about ln(classes), it can learn a batch by heart, nearly down to 0, and its "
    "validation loss ends far below that of a table of frequencies and does not rise, but for a wobble of "
    "a few hundredths. A validation loss above the training loss is no illness, not even far above.",
    "loud start": "Its first loss is far above ln(classes): before any training it is quite sure of wrong answers.",
    "softmax twice": "It cannot learn a single batch by heart: that curve comes to rest far above 0.",
    "mixed-up targets": "It can learn one batch by heart, as it could learn any nonsense by heart, and with time its "
    "training loss falls as well. But its validation loss never gets below that of a table of "
    "frequencies: the inputs tell it nothing about the targets.",
    "learned by heart": "Its validation loss falls well below that of a table of frequencies, and then rises again, "
    "epoch after epoch, wherever it ends and whatever the training loss is.",
}


def _check_diagnose(attempt):
    rng = np.random.default_rng(84)
    # (classes, loss of a table of frequencies in nats)
    worlds = [(27, 2.96), (27, 2.96), (5, 1.3), (1000, 5.2), (10, 1.1)]  # of the last ten, one is very frequent
    for classes, frequencies in worlds:
        for illness in rng.permutation(NAMES * 3):
            shown = _patient(illness, classes, frequencies, rng)

            def ask(examination, shown=shown):
                if examination not in shown:
                    raise Review(f"There is no examination {examination!r}. There are: {', '.join(EXAMINATIONS)}.")
                result = shown[examination]
                return list(result) if isinstance(result, list) else result

            said = attempt(ask, classes, frequencies)
            if not isinstance(said, str) or said not in NAMES:
                raise Review(f"Expected: one of the five names, {', '.join(NAMES)}. What came is {str(said)[:60]!r}.")
            if said != illness:
                more = (
                    ""
                    if classes == 27
                    else " Was a limit of yours written down for 27 symbols? The first patients had as many."
                )
                return (
                    f"A patient was called “{said}” and is “{illness}”. {WHERE_TO_LOOK[illness]} (Its numbers: "
                    f"{classes} classes, ln of which is {np.log(classes):.2f}; frequencies {frequencies}; first "
                    f"loss {shown['first loss']:.2f}; one batch ends at {shown['one batch'][-1]:.2f}, training at "
                    f"{shown['training'][-1]:.2f}; validation is {min(shown['validation']):.2f} at its lowest and "
                    f"ends at {shown['validation'][-1]:.2f}.){more}"
                )
    return None


CLINIC = Exercise(
    number="8.4",
    title="Five patients",
    prompt=r"""
Design the examination. Five kinds of runs come to your clinic:

- `"healthy"`;
- `"loud start"`: the output weights were drawn far too large;
- `"softmax twice"`: the mistake of exercise 8.2;
- `"mixed-up targets"`: inputs and targets were shuffled apart, so that they do not belong together;
- `"learned by heart"`: too many weights, too little data, too many epochs; it was better once.

`ask(examination)` gives you a measurement, in nats: `"first loss"`, a number, before any update; or a list of losses,
`"one batch"` (training on the same 32 rows again and again), `"training"` or `"validation"` (epoch by epoch). `classes`
is the number of classes. `frequencies` is the loss of a table that knows how often each class occurs, and nothing else.

Return the name. Patients have different numbers of classes, and classes of different frequency; curves wobble by a few
hundredths; and a healthy run may well do better on its training data than on others.
""",
    hints=(
        "For each illness, which examination would look different from a healthy run's? Two of them are seen before "
        "any epoch is over.",
        'First loss against ln(classes); the end of "one batch" against 0. The other two show in the validation '
        "loss, with no look at the training loss: one never gets below `frequencies`, the other does, and rises again.",
        'In this order: `ask("first loss") > 1.3 * np.log(classes)`; `ask("one batch")[-1] > 0.3`; the lowest '
        "validation loss above `0.95 * frequencies`; the last validation loss .2 above the lowest; else healthy.",
    ),
    solution=diagnose,
    why="Two of these illnesses train, improve and print a falling loss. Only a number to compare with gives them "
    "away: ln V, 0, and the table.",
    check=_check_diagnose,
    misconceptions=(
        (_training_only, "is “"),
        (_for_27_symbols, "Was a limit of yours written down for 27 symbols?"),
        (_one_batch_settles_it, "was called “healthy” and is “"),
        (_better_than_even, "never gets below that of a table of frequencies"),
        (_gap_means_by_heart, "is no illness"),
        (_wide_gap_means_by_heart, "is no illness, not even far above"),
        (_low_training_loss_means_by_heart, "is no illness, not even far above"),
        (_any_rise_means_by_heart, "but for a wobble"),
        (_mixed_up_by_training, "with time its training loss falls as well"),
        (_last_validation_loss, "wherever it ends"),
        (_loud_beside_the_table, "Its first loss is about ln(classes)"),
        (_exactly_zero, "was called “softmax twice” and is “"),
    ),
)

EXERCISES = (COUNT, TWICE, STOP, CLINIC)

check, hint, solution = bank(EXERCISES)
