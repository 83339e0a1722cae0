"""Files of other systems, with invented rows under the columns that real exports have, and what is read from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from producers.importing.assembly import Adjustment, Assembled, CreditNote, Invoice
from producers.importing.faults import Reject
from producers.importing.options import ReadOptions
from producers.importing.orderfile import OrderFile

RETAIL = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"

SHOPIFY = """\
Name,Email,Financial Status,Currency,Subtotal,Shipping,Taxes,Total,Discount Amount,Created at,Lineitem quantity,\
Lineitem name,Lineitem price,Lineitem sku,Id
#9001,buyer@example.com,paid,EUR,35.00,5.00,7.60,40.00,0.00,2026-01-05 10:11:12 +0100,1,Mug,10.00,MUG,5001
#9001,,,,,,,,,,1,Tea,25.00,TEA,
#9002,other@example.com,pending,EUR,10.00,0.00,1.90,8.10,1.90,2026-01-06 08:00:00 +0100,1,Mug,10.00,MUG,5002
"""
SUPERSTORE = """\
Row ID,Order ID,Order Date,Customer ID,Country,Product ID,Product Name,Sales,Quantity,Discount
1,CA-2031-700011,3/9/2031,ZQ-70001,Freedonia,FUR-BO-70009001,"Shelf, ash",184.40,2,0
2,CA-2031-700011,3/9/2031,ZQ-70001,Freedonia,OFF-LA-70009002,Labels,9.30,3,0
3,US-2030-700012,12/1/2030,ZR-70002,Freedonia,TEC-PH-70009003,Phone,501.115,5,0.1
"""
NORTHWIND = """\
OrderID,ProductID,UnitPrice,Quantity,Discount
70248,7,21,3,0
70248,19,4.6,11,0
70249,5,18.25,2,0.05
"""
OLIST = """\
order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight_value
c0ffee01,1,a1b2c301,5e11e401,2031-02-03 10:11:12,41.50,7.25
c0ffee01,2,a1b2c301,5e11e401,2031-02-03 10:11:12,41.50,7.25
abad1d02,1,d00d0002,5e11e402,2031-02-04 08:09:10,117.35,12.40
"""
RETAIL_II = """\
Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country
990001,70048,LANTERN,4,2031-01-02 07:45:00,3.10,70085.0,Freedonia
990001,70323P,CANDLE RED,9,2031-01-02 07:45:00,1.20,70085.0,Freedonia
C990002,70087,GARLAND,-5,2031-01-02 10:33:00,2.05,70321.0,Freedonia
"""
GERMAN = """\
Bestellung;Artikel;Menge;Einzelpreis;Kunde;Datum
7001;TASSE-1;2;12,50;K-9;05.01.2026
7001;TEE-2;1;1.204,00;K-9;05.01.2026
"""
WOOCOMMERCE = """\
order_id,order_number,date,status,shipping_total,tax_total,fee_total,discount_total,order_total,refunded_total,\
order_currency,customer_id,item_name,item_sku,item_quantity,item_total
901,W-901,2031-01-02 10:00:00,processing,5.00,0.00,0.00,0.00,25.00,0.00,GBP,7,Mug,MUG,2,20.00
902,W-902,2031-01-02 11:00:00,processing,0.00,0.00,0.00,1.00,19.00,0.00,GBP,8,Mug,MUG,2,19.00
903,W-903,2031-01-02 12:00:00,cancelled,0.00,0.00,0.00,0.00,20.00,0.00,GBP,9,Mug,MUG,2,20.00
904,W-904,2031-01-02 12:00:00,completed,0.00,0.00,0.00,0.00,20.00,-10.00,GBP,9,Mug,MUG,2,20.00
"""
WOOCOMMERCE_ADVANCED = """\
Order Number,Order Status,Order Date,Email (Billing),Cart Discount Amount,Order Shipping Amount,Order Refund Amount,\
Order Total Amount,Order Total Tax Amount,SKU,Item #,Item Name,Quantity (- Refund),Item Cost
801,Processing,2031-01-02,a@example.com,0,0,0,20.00,0,MUG,1,Mug,2,10.00
"""


class Parsed(NamedTuple):
    """What a file holds."""

    invoices: list[Invoice]
    rejects: list[Reject]
    credits: list[CreditNote]
    adjustments: list[Adjustment]

    @property
    def invoice(self) -> Invoice:
        [invoice] = self.invoices
        return invoice

    @property
    def reject(self) -> Reject:
        [reject] = self.rejects
        return reject


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "orders.csv"
    path.write_bytes(text.encode(encoding))
    return path


def retail(*rows: str) -> str:
    return "\n".join([RETAIL, *rows, ""])


def row(
    invoice: str,
    sku: str = "22196",
    quantity: str = "2",
    price: str = "0.85",
    *,
    customer: str = "12431",
    text: str = "SPOONS",
) -> str:
    return f"{invoice},{sku},{text},{quantity},12/1/2010 10:03,{price},{customer},Australia"


def read(path: Path, **options: Any) -> Parsed:
    """Read a file; every row with anything on it is in one of the orders, rejects and the like."""
    file = OrderFile(path, ReadOptions(**options))
    parsed = Parsed([], [], [], [])
    rows = 0
    for assembled, its_rows in file.orders():
        _list_of(parsed, assembled).append(assembled)
        rows += len(its_rows)
    assert rows + file.blank_rows + file.stray_rows == file.rows, "every row is accounted for"
    return parsed


def _list_of(parsed: Parsed, assembled: Assembled) -> list[Any]:
    match assembled:
        case Invoice():
            return parsed.invoices
        case Reject():
            return parsed.rejects
        case CreditNote():
            return parsed.credits
        case Adjustment():
            return parsed.adjustments
