"""Eight short passages of plain prose, about a hundred tokens each, for the examples that need ordinary text."""

PASSAGES = (
    "The lighthouse had stood on the cliff for more than a century, and in all that time its lamp had gone out only "
    "twice. The keeper's daughter knew both stories by heart: the storm that broke the glass, and the night when nobody "
    "remembered to fill the oil. She told them to visitors in summer, while the gulls wheeled overhead and the ferry "
    "crossed to the mainland and back. In winter there were no visitors, and she read every book in the house until the "
    "spring came again.",
    "Photosynthesis is the process by which plants use sunlight, water and carbon dioxide to make sugar and oxygen. It "
    "takes place in the leaves, in small bodies called chloroplasts, which hold a green pigment. Light is caught by the "
    "pigment and its energy splits water molecules. The oxygen is let go into the air, and the hydrogen is used to build "
    "sugar. Plants use the sugar to grow, and animals that eat the plants use the energy which was stored in it.",
    "To bake a simple loaf of bread you need flour, water, salt and yeast. Mix the flour with the salt, dissolve the "
    "yeast in warm water, and bring everything together into a rough dough. Knead it for ten minutes until it is smooth, "
    "then let it rest under a cloth until it has doubled in size. Shape the loaf, let it rise once more, and bake it in "
    "a hot oven until the crust is brown and the bottom sounds hollow when you knock on it.",
    "The first railways were built to carry coal from the mines to the nearest river. Horses pulled the wagons along "
    "wooden rails, which wore out quickly and were later covered with iron. When steam engines became small enough to "
    "move themselves, they took the place of the horses, and soon people wanted to ride as well. Within thirty years "
    "lines joined all the large towns, and a journey that had taken two days by coach was over in an afternoon.",
    "My grandfather kept bees behind the orchard, in six white boxes that he had built himself. He never wore gloves, "
    "and he spoke to them quietly while he worked, as if they were children who might take fright. In August he lifted "
    "out the heavy frames and cut the wax away with a warm knife, and the honey ran slowly into the pail. We were "
    "allowed to eat what stuck to the spoon, and we went home with sticky hands and a jar for our mother.",
    "A glacier is a river of ice that moves very slowly downhill under its own weight. Snow falls on its upper part year "
    "after year, is pressed together, and turns to ice. Farther down the ice melts faster than new snow can fall, so the "
    "glacier ends there. On its way it grinds the rock below and carries stones along, and when it draws back it leaves "
    "them behind in long walls. Many valleys and lakes in the mountains were shaped in this way.",
    "The committee met on a Tuesday morning to talk about the new library. Everybody agreed that the old building was "
    "too small, but nobody agreed about the place. Some wanted it near the school, so that children could walk there; "
    "others thought that it should stand by the station, where people change trains and have time to read. After three "
    "hours they decided to ask the readers themselves, and a box for letters was put up beside the front door.",
    "When you learn to play the violin, the hardest part at first is the bow. It has to move straight across the "
    "strings, neither too close to the bridge nor too far away, and with the same weight from one end to the other. Most "
    "beginners press too hard, because they are afraid that nothing will be heard. A patient teacher lets them draw "
    "long, slow notes on one string for weeks, until the arm has understood what the ear is looking for.",
)
