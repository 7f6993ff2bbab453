"""What standalone files are made of: text that is copied into them, and nothing of which imports wireproof.

`core` is in every file, the others where a conversation needs them. They are modules so that they are checked and tested like
any other, and so that a conversation can be carried out in this process while it is made shorter.
"""
