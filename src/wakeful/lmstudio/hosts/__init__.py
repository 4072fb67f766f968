"""How does one live with several servers, with others who use them, and with their failures?"""
