"""The job of tests that look at a cluster while it trains."""

FASHION = "/usr/share/datasets/fashion-mnist/"


def shirts(epochs=2000, more=""):
    """A job file: softmax over 10,000 pictures, 100 a batch. With the default it
    trains for longer than a test looks. `more`: lines to add."""
    return f"""
name: shirts
model: softmax
data: {{train: {{idx: {FASHION}t10k, scale: 1/255}}}}
train: {{epochs: {epochs}, batch: 100}}
optimizer: adam
{more}"""
