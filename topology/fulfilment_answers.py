"""What an order's fulfilment answers to each message, by its state. Names are explained in `topology/states.py`.

Where an answer leads is in the second table: in which states it may stand afterwards, the arrows of the diagram. One with
no state there changes none. A test walks the rooms at random and finds exactly these moves.
"""
